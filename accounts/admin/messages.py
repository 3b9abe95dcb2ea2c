"""Messages to people in the back office."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.views.decorators.csp import csp_override

from accounts import services
from accounts.admin_actions import reasoned
from accounts.back_office.filters import known
from accounts.back_office.forms import KEPT
from accounts.message_samples import sample_mail
from accounts.models import BlockedAddress, Notification, User
from accounts.permissions import signed_in
from accounts.words import habits_of, kinds, write
from luxewin.admin import ReadOnlyAdmin
from luxewin.audit.models import AuditEntry
from luxewin.desk import concern


def _send_again(message: Notification, reason: str, actor: User) -> str:
    services.send_again(message.pk, reason=reason, actor=actor)
    return f"{message} is queued again."


def _suppress(message: Notification, reason: str, actor: User) -> str:
    services.suppress(message.pk, reason=reason, actor=actor)
    return f"{message} is not sent."


def _label(message: Notification) -> str:
    return f"{message.kind} of {message.created_at:%Y-%m-%d %H:%M} to {message.user.email} ({message.status})"


concern(
    "message that could not be sent", "messages that could not be sent", "accounts.notification", status__exact="failed"
)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Messages, their recipients, what became of each, and for some staff their words."""

    list_display = ["created_at", "kind", "channel", "user", "status", "attempts", "sent_at", "error"]
    list_filter = ["status", "channel", ("kind", known(kinds))]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    # Not the context: the words are what the person read.
    fields = (
        *("created_at", "kind", "channel", "user", "status", "attempts", "sent_at", "answer", "error"),
        *("resends", "read_at", "history"),
    )
    ordering = ["-created_at"]
    actions = [
        reasoned(
            "send_again",
            "Send again",
            _send_again,
            permission="resend",
            label=_label,
            reaches="The audit log keeps it.",
            means="The message is written anew, with fresh links, and sent to the address that it is for now.",
        ),
        reasoned(
            "suppress",
            "Do not send",
            _suppress,
            permission="resend",
            label=_label,
            reaches="The audit log keeps it.",
            means="A message that waits is not sent. It can be sent again later.",
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        """Add the samples."""
        wrap, name = self.admin_site.admin_view, "accounts_notification_sample"
        pages = [
            path("samples/", wrap(self.samples), name=f"{name}s"),
            path("samples/<str:kind>/<str:language>/<str:form>/", wrap(self.sample), name=name),
        ]
        return pages + super().get_urls()

    def samples(self, request: HttpRequest) -> HttpResponse:
        """List every kind in every language."""
        self._demand(request)
        facts = {
            "opts": self.opts,
            "title": "What each message says",
            "kinds": kinds(),
            "languages": settings.LANGUAGES,
        }
        return TemplateResponse(request, "admin/accounts/samples.html", self.admin_site.each_context(request) | facts)

    # Its styles are inline, as mail programs need them; nothing in it runs or is fetched.
    @method_decorator(csp_override({"default-src": ["'none'"], "style-src": ["'unsafe-inline'"], "sandbox": ""}))
    def sample(self, request: HttpRequest, kind: str, language: str, form: str) -> HttpResponse:
        """Show a kind with made-up data, as HTML or text."""
        self._demand(request)
        if kind not in kinds() or language not in dict(settings.LANGUAGES) or form not in {"html", "text"}:
            raise Http404
        mail = sample_mail(kind, language)
        if form == "html":
            return HttpResponse(mail.alternatives[0][0])
        return HttpResponse(f"{mail.subject}\n\n{mail.body}", content_type="text/plain; charset=utf-8")

    def _demand(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the words to those who may read them."""
        fields = [str(field) for field in self.fields or ()]
        if signed_in(request).has_perm("accounts.view_notification_words"):
            fields += ["recipient", "subject", "words"]
        return fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let none be edited."""
        return self.get_fields(request, obj)

    @admin.display(description="text")
    def words(self, message: Notification) -> Any:
        """Return the text as it was written last, without its links' tokens; of the inbox, as it is shown there now."""
        if message.contents_removed_at:
            return f"Removed on {message.contents_removed_at:%Y-%m-%d}."
        text = message.text
        if message.channel == Notification.Channel.INBOX:
            with habits_of(message.user) as language:
                told = write(message.kind, message.context, language)
            text = f"{told.subject}\n\n{told.text}"
        return format_html("<pre>{}</pre>", text) if text else "Not written yet."

    @admin.display(description="history")
    def history(self, message: Notification) -> Any:
        """Return what staff did with the message, and why. Cost: one indexed query."""
        rows = AuditEntry.objects.filter(subject_type="notification", subject_id=str(message.pk)).order_by("id")
        told = (
            (f"{row.at:%Y-%m-%d %H:%M}", row.action, row.before.get("status", ""), row.after.get("reason", ""))
            for row in rows
        )
        return format_html_join("\n", "<div>{} UTC: {} ({}): {}</div>", told) or "-"

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whether the person may send again: support and raffle managers."""
        return request.user.has_perm("accounts.resend_notification")


def _unblock(blocked: BlockedAddress, reason: str, actor: User) -> str:
    services.unblock_address(blocked, reason=reason, actor=actor)
    return f"Mails go to {blocked.email} again."


@admin.register(BlockedAddress)
class BlockedAddressAdmin(ReadOnlyAdmin):
    """Addresses to which no mails go, and why; an action unblocks them. Staff block one on its person's page."""

    list_display = ["created_at", "email", "because", "user", "detail"]
    list_filter = ["because"]
    search_fields = ["email", "user__email"]
    list_select_related = ["user"]
    ordering = ["-created_at"]
    actions = [
        reasoned(
            "unblock",
            "Send mails to the selected addresses again",
            _unblock,
            permission="unblock",
            label=str,
            reaches=KEPT,
            means="What was not sent meanwhile stays so; it can be sent again from the list of messages.",
        )
    ]

    def has_unblock_permission(self, request: HttpRequest) -> bool:
        """Whether the person may unblock: whoever may send messages again."""
        return request.user.has_perm("accounts.resend_notification")
