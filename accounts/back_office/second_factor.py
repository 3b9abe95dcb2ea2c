"""The back office's page for one's second factor: set up right after sign-in, viewed and renewed later."""

from typing import Any

import django_otp
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from accounts import services
from accounts.back_office.signing_in import SIGNED_IN_AT
from accounts.models import Authenticator
from accounts.permissions import signed_in
from accounts.serializers.fields import CODE_LENGTH
from accounts.services.codes import authenticator_of
from luxewin.api.problems import InvalidInput, Problem
from luxewin.clock import database_now

FRESH_SECONDS, OFFERED = 600, "offered_authenticator"


@method_decorator(never_cache, name="dispatch")
class SecondFactorPage(View):
    """Open to staff after their password, to set one up within ten minutes; with a second factor, after its code."""

    site: Any = None
    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect to the sign-in unless this person may (still) see the page."""
        if not self.site.is_staff(request):
            return self._to_sign_in(request)
        self.user = signed_in(request)
        self.has_one = authenticator_of(self.user) is not None
        if self.has_one and not self.site.has_second_factor(request):
            return self._to_sign_in(request)
        if not self.has_one and database_now().timestamp() - request.session.get(SIGNED_IN_AT, 0) > FRESH_SECONDS:
            logout(request)
            return self._to_sign_in(request)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the state of the second factor, or a new secret."""
        if self.has_one:
            return self._page(state=services.state_of(self.user))
        return self._page(offered=self._offered())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Switch it on with a code of the shown secret; later, make new recovery codes for password and code."""
        code = request.POST.get("code", "")[:CODE_LENGTH]
        try:
            if self.has_one:
                password = request.POST.get("password", "")[:128]
                return self._page(codes=services.renew_recovery_codes(self.user, password=password, code=code))
            codes = services.confirm_authenticator(self.user, code=code, session=None)
        except InvalidInput as refusal:
            return self._refused(" ".join(fault["detail"] for fault in refusal.data["errors"]))
        except Problem as refusal:
            return self._refused(refusal.detail)
        request.session.cycle_key()
        django_otp.login(request, authenticator_of(self.user))
        return self._page(codes=codes, is_new=True)

    def _refused(self, fault: str) -> HttpResponse:
        if self.has_one:
            return self._page(state=services.state_of(self.user), fault=fault)
        return self._page(offered=self._offered(), fault=fault)

    def _offered(self) -> Authenticator:
        """Return the secret shown in this browser, else a new one: others may know a secret shown elsewhere."""
        key = self.request.session.get(OFFERED)
        offered = Authenticator.objects.filter(pk=key, user=self.user, confirmed=False).first()
        if offered is None:
            offered = services.offer_authenticator(self.user)
            self.request.session[OFFERED] = offered.pk
        return offered

    def _page(self, **facts: Any) -> HttpResponse:
        context = {**self.site.each_context(self.request), "title": "Two-step sign-in", **facts}
        return TemplateResponse(self.request, "admin/second_factor.html", context)

    def _to_sign_in(self, request: HttpRequest) -> HttpResponse:
        return redirect_to_login(request.path, reverse("admin:login"))
