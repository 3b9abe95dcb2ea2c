"""Webhooks as a Django app."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Label `webhooks`."""

    name = "luxewin.webhooks"
    verbose_name = "Webhooks to other systems"

    def ready(self) -> None:
        """Register the sweep, the gauges and the rule of retention."""
        from luxewin.webhooks import metrics, privacy, tasks  # noqa: F401 register themselves

        privacy.register()
