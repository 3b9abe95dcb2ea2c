"""People in the back office."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import attempts
from accounts.models import Notification, Preferences, Session, User
from luxewin.api.ratelimits import TooManyRequests, count_request
from luxewin.audit.services import record
from luxewin.tasks.admin import ReadOnlyAdmin


class SignInForm(AdminAuthenticationForm):
    """The back office's sign-in, as slow for guessers as the API's."""

    def clean(self) -> dict[str, Any]:
        """Counts the try by address and by account before the password is looked at."""
        email = self.cleaned_data.get("username") or ""
        try:
            count_request(self.request, group="back office", key="ip", rate="30/m")
            attempts.claim(email)
        except TooManyRequests as refusal:
            raise ValidationError(f"Too many tries. {refusal.detail}", code=refusal.code) from refusal
        cleaned = super().clean()
        attempts.forgive(email)
        user = self.get_user()
        record("user.signed_in", user, actor=user, after={"to": "back office"})
        return cleaned


admin.site.login_form = SignInForm


class PreferencesInline(admin.StackedInline):
    """On the user's page."""

    model = Preferences
    can_delete = False


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """A person; rights are given through groups."""

    list_display = ["email", "display_name", "country", "is_verified", "is_staff", "is_active", "joined_at"]
    list_filter = ["is_staff", "is_active", "groups", "country"]
    search_fields = ["email", "display_name", "id"]
    ordering = ["-joined_at"]
    readonly_fields = ["id", "email_verified_at", "joined_at", "last_login"]
    filter_horizontal = ["groups"]
    inlines = [PreferencesInline]
    fieldsets = [
        (None, {"fields": ["id", "email", "password"]}),
        ("Person", {"fields": ["display_name", "date_of_birth", "country"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        ("Dates", {"fields": ["email_verified_at", "joined_at", "last_login"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "display_name", "usable_password", "password1", "password2"]})]

    @admin.display(boolean=True, description="verified")
    def is_verified(self, user: User) -> bool:
        """The address is theirs."""
        return user.is_verified


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


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is signed in where; ending is an action."""

    list_display = ["user", "user_agent", "address", "created_at", "last_used_at", "ended_at"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    exclude = ["token_id"]
    actions = ["end"]

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        """Signs these devices out."""
        self.message_user(request, f"{Session.objects.filter(pk__in=sessions).end()} session(s) ended.")

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Who may change people may sign them out."""
        return request.user.has_perm("accounts.change_user")
