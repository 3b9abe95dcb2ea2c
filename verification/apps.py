"""Verification as a Django app."""

from django.apps import AppConfig


class VerificationConfig(AppConfig):
    """Label `verification`."""

    name = "verification"

    def ready(self) -> None:
        """Listen to raffles; register the sweeps and the probes of chain and beacon."""
        from luxewin.health import EVERY_SECONDS_OUTSIDE, register
        from verification import checks, clients, privacy, receivers, tasks  # noqa: F401 register themselves

        receivers.connect()
        privacy.register()
        register("chain", clients.ping_chain, every=EVERY_SECONDS_OUTSIDE)
        register("beacon", clients.ping_beacon, every=EVERY_SECONDS_OUTSIDE)
