"""The back office as a Django app; its site is a module of its own, because it needs models that are not loaded yet."""

from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    """Django's admin with our own site."""

    default_site = "accounts.back_office.site.BackOffice"
