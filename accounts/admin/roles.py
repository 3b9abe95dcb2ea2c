"""Roles, read-only: accounts.roles defines their permissions, and each person's page shows their roles."""

from django.contrib import admin
from django.contrib.auth.models import Group

from luxewin.admin import ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """A role's permissions. Read-only, because editing them would let staff give themselves every right."""

    search_fields = ["name"]
    ordering = ["name"]
