"""The back office's sign-in."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from accounts import attempts
from luxewin.api.ratelimits import TooManyRequests, count_request
from luxewin.audit.services import record


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
