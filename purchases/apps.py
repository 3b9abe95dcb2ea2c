"""Purchases as a Django app."""

from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    """Label `purchases`."""

    name = "purchases"

    def ready(self) -> None:
        """Set up the Stripe client, listen to its events and to raffles; register sweeps, checks, gauges, the probe."""
        from accounts import spending_limits
        from accounts.notifications import ADDED
        from luxewin.health import EVERY_SECONDS_OUTSIDE, register
        from purchases import checks, finders, gateway, metrics, privacy, receipts, receivers, services, tasks  # noqa: F401 register themselves

        gateway.configure()
        gateway.keep_payers_out()
        receivers.connect()
        privacy.register()
        ADDED.update(dict.fromkeys(["purchase_paid", "free_entry"], receipts.for_mail))
        spending_limits.register(services.spent_this_month)
        register("stripe", gateway.ping, every=EVERY_SECONDS_OUTSIDE)
