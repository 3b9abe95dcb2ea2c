"""Who is signed in where."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Session
from accounts.permissions import signed_in
from accounts.tokens import end_by_staff
from luxewin.tasks.admin import ReadOnlyAdmin


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is signed in where; ending is an action."""

    list_display = ["user", "user_agent", "address", "created_at", "last_used_at", "ended_at", "second_factor"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    exclude = ["token_id"]
    actions = ["end"]

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        """Signs these devices out."""
        ended = end_by_staff(list(sessions.values_list("pk", flat=True)), actor=signed_in(request))
        self.message_user(request, f"{ended} session(s) ended.")

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Who may change people may sign them out."""
        return request.user.has_perm("accounts.change_user")
