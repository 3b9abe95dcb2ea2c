"""Webhooks as a Django app."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Label `webhooks`."""

    name = "luxewin.webhooks"
    verbose_name = "Webhooks to other systems"

    def ready(self) -> None:
        """Register the sweep and the rule of retention."""
        from luxewin.webhooks import privacy, tasks  # noqa: F401 registers its sweep

        privacy.register()
