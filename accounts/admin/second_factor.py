"""Authenticators in the back office. django-otp's own pages are removed: they show secrets and can reassign them."""

from django.contrib import admin
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Authenticator
from luxewin.admin import ReadOnlyAdmin

admin.site.unregister(TOTPDevice)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """An authenticator app; for a lost one, use `manage.py reset_second_factor`."""

    list_display = ["user", "confirmed", "created_at", "last_used_at"]
    list_filter = ["confirmed"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    fields = ["user", "confirmed", "created_at", "last_used_at"]
    ordering = ["-created_at"]
