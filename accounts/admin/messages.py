"""What people were told."""

from django.contrib import admin

from accounts.models import Notification
from luxewin.tasks.admin import ReadOnlyAdmin


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """What was told to whom, and whether the mail server took it."""

    list_display = ["created_at", "kind", "user", "status", "attempts", "sent_at", "error"]
    list_filter = ["status", "kind"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    # The context of some kinds holds a sign-in link.
    exclude = ["context"]
    ordering = ["-created_at"]
