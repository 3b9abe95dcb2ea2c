"""The back office's page for one's own password: the same service as the API's `users/password`."""

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy

from accounts import services
from accounts.back_office.forms import add_problem, password_field
from accounts.models import User
from accounts.permissions import signed_in
from luxewin.api.problems import Problem
from luxewin.api.ratelimits import count_request

NAMES = {"current_password": "old_password", "new_password": "new_password1"}


class OwnPasswordForm(AdminPasswordChangeForm):
    """The old password, and the new one twice; the service validates them."""

    old_password = password_field(autocomplete="current-password", label="Old password")
    new_password1 = password_field(label="New password")
    new_password2 = password_field(label="New password again")

    def clean_old_password(self) -> str:
        """Leave it unchecked: the service counts attempts."""
        return self.cleaned_data["old_password"]

    def validate_password_for_user(self, user: User, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Leave it to the service, which validates once."""


class OwnPasswordPage(PasswordChangeView):
    """Set one's own password; every other session ends, and a mail reports it."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def form_valid(self, form: Any) -> HttpResponse:
        """Show a refusal of the service beside its field."""
        user, given = signed_in(self.request), form.cleaned_data
        try:
            count_request(self.request, group="back office password", key="user", rate="30/h")
            words = {"current_password": given["old_password"], "new_password": given["new_password1"]}
            services.change_password_in_back_office(user, **words)
        except Problem as refusal:
            add_problem(form, refusal, **NAMES)
            return self.form_invalid(form)
        update_session_auth_hash(self.request, user)
        return HttpResponseRedirect(self.get_success_url())
