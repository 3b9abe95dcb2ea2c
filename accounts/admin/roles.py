"""Roles, to look at: what each may do is written in accounts.roles, and whose they are on each person's page."""

from django.contrib import admin
from django.contrib.auth.models import Group

from luxewin.admin import ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """What a role may do. Whoever could change that here could give themselves every right."""

    search_fields = ["name"]
    ordering = ["name"]
