"""People in the back office."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import services
from accounts.models import Preferences, User
from accounts.permissions import signed_in
from luxewin.api.problems import Problem


class PreferencesInline(admin.StackedInline):
    """On the user's page."""

    model = Preferences
    can_delete = False
    # The person's own word, which their preferences and links take down together with its proof.
    readonly_fields = ["switched_off", "marketing_consent_at"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """A person; rights are given through groups."""

    list_display = ["email", "display_name", "country", "has_verified_email", "is_staff", "is_active", "joined_at"]
    list_filter = ["is_staff", "is_active", "groups", "country"]
    search_fields = ["email", "display_name", "id"]
    ordering = ["-joined_at"]
    readonly_fields = ["id", "email_verified_at", "joined_at", "last_login"]
    filter_horizontal = ["groups"]
    inlines = [PreferencesInline]
    fieldsets = [
        (None, {"fields": ["id", "email", "password"]}),
        ("Person", {"fields": ["display_name", "date_of_birth", "country", "region"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        ("Dates", {"fields": ["email_verified_at", "joined_at", "last_login"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "display_name", "usable_password", "password1", "password2"]})]

    actions = ["export", "forget"]

    @admin.action(description="Mail them an archive of all that is held (written request)", permissions=["export"])
    def export(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """As `users/export` does for themselves; the link goes to their address, not to staff."""
        self._for_each(request, people, services.request_export, "An archive will be mailed")

    @admin.action(description="Delete the account (written request)", permissions=["forget"])
    def forget(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """As `users/delete` does for themselves, with the same two weeks to take it back."""
        self._for_each(request, people, services.request_deletion, "The account is closed")

    def _for_each(self, request: HttpRequest, people: QuerySet[User], do: Callable[..., Any], done: str) -> None:
        for person in people:
            try:
                do(person, actor=signed_in(request))
            except Problem as refusal:
                self.message_user(request, f"{person}: {refusal.detail}", messages.ERROR)
            else:
                self.message_user(request, f"{person}: {done}.")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Who may start exports."""
        return request.user.has_perm("accounts.start_export")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Who may start deletions."""
        return request.user.has_perm("accounts.start_deletion")

    @admin.display(boolean=True, description="verified")
    def has_verified_email(self, user: User) -> bool:
        """The address is theirs."""
        return user.has_verified_email
