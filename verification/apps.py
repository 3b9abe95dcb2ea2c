"""Verification as a Django app."""

from django.apps import AppConfig


class VerificationConfig(AppConfig):
    """Label `verification`."""

    name = "verification"

    def ready(self) -> None:
        """Listen to raffles; register the sweeps and the probes of chain and beacon."""
        from luxewin.health import EVERY_SECONDS_OUTSIDE, register
        from verification import checks, doors, privacy, receivers, tasks  # noqa: F401 register themselves

        receivers.connect()
        privacy.register()
        register("chain", doors.ping_chain, every=EVERY_SECONDS_OUTSIDE)
        register("beacon", doors.ping_beacon, every=EVERY_SECONDS_OUTSIDE)
