"""URL configuration of the project: the API, its documentation, the back office, health."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from accounts import pages as account_pages
from accounts.mail_events import mail_events
from accounts.urls import ROUTES as ACCOUNTS
from luxewin.api.documentation import DocumentView, RedocView, SwaggerView
from luxewin.api.router import NamedActionRouter
from luxewin.health import views as health
from luxewin.metrics.views import metrics
from luxewin.pages import page
from purchases.urls import ROUTES as PURCHASES
from purchases.urls import urlpatterns as purchase_urls
from raffles import pages as raffle_pages
from raffles.urls import ROUTES as RAFFLES
from verification import pages as draw_pages
from verification.urls import ROUTES as VERIFICATION

router = NamedActionRouter()
# Django tries addresses in this order, for each request: those that a drop needs most come first.
for prefix, viewset, basename in (*RAFFLES, *PURCHASES, *ACCOUNTS, *VERIFICATION):
    router.register(prefix, viewset, basename)

urlpatterns = [
    path("api/v1/", include(router.urls)),
    path("api/v1/webhooks/mail", mail_events, name="mail-events"),
    path("api/v1/", include(purchase_urls)),
    path("", page()(TemplateView.as_view(template_name="index.html")), name="index"),
    path("verify-email", account_pages.verify_email, name="verify-email"),
    path(".well-known/jwks.json", account_pages.jwks, name="jwks"),
    path("verify-email/resend", account_pages.resend_verification, name="resend-verification"),
    path("login", account_pages.login, name="login"),
    path("forgot-password", account_pages.forgot_password, name="forgot-password"),
    path("confirm-email", account_pages.confirm_email, name="confirm-email"),
    path("reset-password", account_pages.reset_password, name="reset-password"),
    path("unsubscribe", account_pages.unsubscribe, name="unsubscribe"),
    path("export", account_pages.export, name="export"),
    path("keep-account", account_pages.keep_account, name="keep-account"),
    path("raffles/<str:raffle>", raffle_pages.raffle, name="raffle"),
    path("verify", draw_pages.draws, name="draws"),
    path("verify/verifier.py", draw_pages.verifier, name="verifier"),
    path("verify/<str:raffle>", draw_pages.draw, name="draw"),
    path("admin/", admin.site.urls),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/schema", DocumentView.as_view(), name="schema"),
    path("api/v1/docs", SwaggerView.as_view(url_name="schema"), name="swagger"),
    path("api/v1/redoc", RedocView.as_view(url_name="schema"), name="redoc"),
]

handler400 = "luxewin.api.problems.bad_request"
handler403 = "luxewin.api.problems.permission_denied"
handler404 = "luxewin.api.problems.not_found"
handler500 = "luxewin.api.problems.server_error"
