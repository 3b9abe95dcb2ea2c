"""The back office's sign-in: password, and the code of a second factor."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import ValidationError
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import throttle
from accounts.back_office.forms import password_field
from accounts.errors import WrongCode
from accounts.serializers.fields import CODE_LENGTH
from accounts.services.codes import authenticator_of, check_code
from accounts.services.new_devices import note_back_office_sign_in
from luxewin.api.ratelimits import TooManyRequests, count_request
from luxewin.audit.services import record
from luxewin.clock import database_now

SIGNED_IN_AT = "signed_in_at"


class SignInForm(AdminAuthenticationForm):
    """The back office's sign-in, with the API's delays for guessers."""

    password = password_field(autocomplete="current-password", label="Password")
    code = forms.CharField(
        required=False,
        max_length=CODE_LENGTH,
        label="Code",
        help_text="From your authenticator app, or a recovery code. Leave it empty if you have not set up the app yet.",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Count the attempt by address and account before checking the password, and again before the code."""
        if self.errors:
            # A field is empty or invalid for an address or password: no account was named.
            return self.cleaned_data
        email = self.cleaned_data["username"]
        try:
            count_request(self.request, group="back office", key="ip", rate="30/m")
            throttle.claim(email)
            cleaned = self._password_step(email)
            throttle.reset_attempts(email)
            self._second_step(cleaned.get("code") or "")
        except TooManyRequests as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal
        user = self.get_user()
        agent = self.request.headers.get("User-Agent", "") if self.request else ""
        with transaction.atomic():
            note_back_office_sign_in(user, user_agent=agent, second_factor=hasattr(user, "otp_device"))
        return cleaned

    def _password_step(self, email: str) -> dict[str, Any]:
        try:
            return super().clean()
        except ValidationError:
            throttle.note_failure(email, to="back office")
            raise

    def _second_step(self, code: str) -> None:
        user: Any = self.get_user()
        device = authenticator_of(user)
        if device is None:
            return
        if not code:
            raise ValidationError(
                "Enter the code from your authenticator app, with your password.", code="code_required"
            )
        try:
            check_code(user, code)
        except WrongCode as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from refusal
        # django-otp stores it in the browser's session.
        user.otp_device = device


@receiver(user_logged_in, dispatch_uid="accounts.back_office.signed_in_at")
def note_the_time(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Record when the password was given: only a recent one lets its owner set up a second factor."""
    request.session[SIGNED_IN_AT] = database_now().timestamp()


@receiver(user_logged_out, dispatch_uid="accounts.back_office.signed_out")
def record_sign_out(sender: Any, user: Any, **kwargs: Any) -> None:
    """Audit the sign-out; API sessions end elsewhere."""
    if user is not None:
        record("user.signed_out", user, actor=user, after={"from": "back office"})
