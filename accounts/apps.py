"""Accounts as a Django app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """Label `accounts`."""

    name = "accounts"

    def ready(self) -> None:
        """Register receivers, sweeps and gauges, and grant roles their permissions after each migration."""
        from accounts import finders, metrics, permission_audit, tasks  # noqa: F401 register themselves
        from accounts.privacy import account_data
        from accounts.roles import grant_roles_after_the_last

        post_migrate.connect(grant_roles_after_the_last, dispatch_uid="accounts.grant_roles")
        account_data.register()
