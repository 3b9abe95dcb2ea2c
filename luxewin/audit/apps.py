"""The audit as a Django app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Label `audit`."""

    name = "luxewin.audit"
    verbose_name = "Audit"
