"""Linked accounts elsewhere in the back office."""

from django.contrib import admin

from accounts.models import Identity
from luxewin.admin import ReadOnlyAdmin


@admin.register(Identity)
class IdentityAdmin(ReadOnlyAdmin):
    """Which account elsewhere is linked to which account here, and since when."""

    list_display = ["created_at", "provider", "subject", "user", "email"]
    search_fields = ["user__email", "email", "subject__exact"]
    list_select_related = ["user"]
    ordering = ["-created_at"]
