"""What people were told."""

from django.conf import settings
from django.contrib import admin

from accounts.back_office.filters import known
from accounts.models import Notification
from luxewin.tasks.admin import ReadOnlyAdmin


def _kinds() -> list[str]:
    """Each kind of message has its template."""
    return sorted(template.stem for template in (settings.BASE_DIR / "templates" / "mail").glob("*.txt"))


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """What was told to whom, and whether the mail server took it."""

    list_display = ["created_at", "kind", "user", "status", "attempts", "sent_at", "error"]
    list_filter = ["status", ("kind", known(_kinds))]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    # The context of some kinds holds a sign-in link.
    exclude = ["context"]
    ordering = ["-created_at"]
