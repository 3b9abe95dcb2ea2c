"""The audit as a Django app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Label `audit`."""

    name = "luxewin.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Register the sweeps."""
        from luxewin.audit import tasks  # noqa: F401 registers its sweeps
