"""Messages to people in the back office."""

from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts.back_office.filters import known
from accounts.models import Notification
from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.audit.services import record_all


def _kinds() -> list[str]:
    """Return the kinds of messages; each has its template."""
    return sorted(template.stem for template in (settings.BASE_DIR / "templates" / "mail").glob("*.txt"))


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Messages, their recipients, and whether the mail server accepted them."""

    list_display = ["created_at", "kind", "user", "status", "attempts", "sent_at", "error"]
    list_filter = ["status", ("kind", known(_kinds))]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    # Hidden, because the context of some kinds holds a sign-in link.
    exclude = ["context"]
    ordering = ["-created_at"]
    actions = ["send_again"]

    @admin.action(description="Send failed messages again", permissions=["resend"])
    def send_again(self, request: HttpRequest, selected: QuerySet[Notification]) -> None:
        """Send again, after the cause of the failure was fixed."""
        failed = list(selected.filter(status=Notification.Status.FAILED))
        with transaction.atomic():
            sent = Notification.objects.filter(pk__in=[each.pk for each in failed]).send_again()
            changes = [(each, {"kind": each.kind}) for each in failed]
            record_all("notification.sent_again", changes, actor=signed_in(request))
        told = ngettext("%d failed message will be sent again.", "%d failed messages will be sent again.", sent) % sent
        self.message_user(request, told)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whether the person may send again: support and raffle managers."""
        return request.user.has_perm("accounts.resend_notification")
