"""The audit as a Django app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Label `audit`."""

    name = "luxewin.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Register sweeps and gauges."""
        from luxewin.audit import metrics, tasks  # noqa: F401 register themselves
