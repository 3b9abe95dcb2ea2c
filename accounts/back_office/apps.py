"""The back office as a Django app; apart from its site, which needs the models that are not there yet."""

from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    """Django's admin, with our own door."""

    default_site = "accounts.back_office.site.BackOffice"
