"""Sessions in the back office."""

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_actions import reasoned
from accounts.back_office.forms import REASON
from accounts.models import Session, User
from accounts.tokens import end_by_staff
from luxewin.admin import ReadOnlyAdmin


def _end(session: Session, reason: str, actor: User) -> str:
    if end_by_staff(session, actor=actor, reason=reason):
        return f"Signed out: {session}."
    return f"Already signed out: {session}."


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Sessions by device; an action ends them."""

    list_display = ["user", "user_agent", "address", "created_at", "last_used_at", "ended_at", "second_factor"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    exclude = ["token_id", "previous_token_id", "issued_at", "signed_by"]
    actions = [
        reasoned(
            "end",
            "Sign out the selected sessions",
            _end,
            permission="end",
            label=str,
            reaches=REASON,
            means="These devices are signed out at once. The person can sign in again.",
        )
    ]

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whether the person may end sessions: everybody who may change people."""
        return request.user.has_perm("accounts.change_user")
