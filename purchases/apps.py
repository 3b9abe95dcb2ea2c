"""Purchases as a Django app."""

from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    """Label `purchases`."""

    name = "purchases"

    def ready(self) -> None:
        """Sets up the door to Stripe, listens to its events and to raffles, registers sweeps, checks and the probe."""
        from luxewin.health import register
        from purchases import checks, gateway, receivers, tasks  # noqa: F401 register themselves

        gateway.configure()
        receivers.connect()
        register("stripe", gateway.ping)
