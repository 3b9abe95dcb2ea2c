"""Access to the back office: staff and, with settings.STAFF_SECOND_FACTOR, only with a second factor."""

from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import path, reverse

from luxewin.database import time_limit
from luxewin.desk import by_work, concerns_of
from luxewin.health.probes import examine


class BackOffice(admin.AdminSite):
    """Django's admin behind a second factor.

    The sign-in takes the code of staff who have one. Staff who must have one and have none are sent to the page that
    sets it up; nothing else opens until they have. Imports of models are inside functions: models are not loaded yet
    when Django reads this class.
    """

    site_header = site_title = "LuxeWin back office"
    index_title = "Back office"
    login_template = "admin/sign_in.html"

    def register(
        self, model_or_iterable: Any, admin_class: type[admin.ModelAdmin] | None = None, **options: Any
    ) -> None:
        """Put BackOfficeModelAdmin's rules before the page's own class, libraries' included."""
        from accounts.back_office.model_admin import BackOfficeModelAdmin

        own = admin_class or admin.ModelAdmin
        facts = {"__module__": own.__module__, "__doc__": own.__doc__}
        super().register(model_or_iterable, type(own.__name__, (BackOfficeModelAdmin, own), facts), **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether they are staff and gave a second factor in this browser, or need none."""
        return self.is_staff(request) and (not settings.STAFF_SECOND_FACTOR or self.has_second_factor(request))

    def is_staff(self, request: HttpRequest) -> bool:
        """Whether they are staff who gave their password."""
        return super().has_permission(request)

    def has_second_factor(self, request: HttpRequest) -> bool:
        """Whether a second factor that still exists was given in this browser; django-otp's middleware knows."""
        return request.user.is_verified()  # type: ignore[union-attr]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the desk: what waits for this person, and the menu."""
        waiting = list(concerns_of(request, self))
        down = [part for part in examine() if part.state == "down"]
        return super().index(request, {"waiting": waiting, "down": down, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Return the menu by kinds of work; the page of one app has its own models."""
        apps = super().get_app_list(request, app_label)
        return apps if app_label else by_work(apps, reverse("admin:index"))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the sign-in; a person signed in without a second factor is sent to the page that sets it up."""
        from accounts.services.codes import authenticator_of

        half_way = request.method == "GET" and self.is_staff(request) and not self.has_permission(request)
        if half_way and authenticator_of(request.user) is None:  # type: ignore[arg-type]
            return redirect("admin:second_factor")
        return super().login(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the page for one's own password, which uses the API's service."""
        from accounts.back_office.passwords import OwnPasswordPage

        context = {**self.each_context(request), **(extra_context or {})}
        return OwnPasswordPage.as_view(extra_context=context)(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Make the signed-in person the actor of audit rows that signals write, and stop what takes too long."""

        @wraps(view)
        def named(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            from luxewin.audit.services import acting

            actor = request.user if request.user.is_authenticated else None
            with acting(actor), time_limit(settings.STAFF_REQUEST_SECONDS):
                response = view(request, *args, **kwargs)
                # Lists are read while they are rendered, which Django would do later.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response

        return super().admin_view(named, cacheable)

    def get_urls(self) -> list[Any]:
        """Add search, health, and the second-factor page, which opens before the rest of the site."""
        from accounts.back_office.search import search
        from accounts.back_office.second_factor import SecondFactorPage
        from accounts.back_office.signing_in import SignInForm
        from luxewin.health.views import details

        self.login_form = SignInForm
        page = SecondFactorPage.as_view(site=self)
        own = [
            path("second-factor/", page, name="second_factor"),
            path("health/", self.admin_view(details), name="health"),
            path("search/", self.admin_view(partial(search, site=self)), name="search"),
        ]
        return [*own, *super().get_urls()]
