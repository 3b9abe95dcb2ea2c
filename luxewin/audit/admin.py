"""The audit in the back office: to read, never to write."""

from django.contrib import admin

from luxewin.audit.models import AuditEntry
from luxewin.tasks.admin import ReadOnlyAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = ["at", "action", "subject_type", "subject_id", "actor", "address"]
    list_filter = ["action", "subject_type"]
    search_fields = ["subject_id", "actor", "request_id"]
    ordering = ["-id"]
    show_full_result_count = False
