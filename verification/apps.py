"""Verification as a Django app."""

from django.apps import AppConfig


class VerificationConfig(AppConfig):
    """Label `verification`."""

    name = "verification"

    def ready(self) -> None:
        """Listen to raffles; register sweeps, probes, gauges, receipts and their keys."""
        from accounts.signing_keys import PINS
        from luxewin.health import EVERY_SECONDS_OUTSIDE, register
        from purchases import receipts
        from verification import checks, clients, finders, metrics, privacy, prizes, receipt_keys, receivers, tasks  # noqa: F401
        from verification.services import receipt_of
        from verification.services.receipts import COLUMNS

        receivers.connect()
        privacy.register()
        register("chain", clients.ping_chain, every=EVERY_SECONDS_OUTSIDE)
        register("beacon", clients.ping_beacon, every=EVERY_SECONDS_OUTSIDE)
        register("receipts", receipt_keys.probe, every=EVERY_SECONDS_OUTSIDE)
        receipts.register(receipt_of, **COLUMNS)
        prizes.register()
        PINS.append(receipt_keys.pinned_keys)
