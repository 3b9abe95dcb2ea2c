"""People in the back office."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from accounts.models import Preferences, User


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
