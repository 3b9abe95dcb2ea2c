"""Routes of purchases."""

from django.urls import re_path

from luxewin.ids import UUID_PATTERN
from purchases.views import PurchaseViewSet
from purchases.webhooks import StripeWebhookView

ROUTES = [("purchases", PurchaseViewSet, "purchases")]
urlpatterns = [
    re_path(rf"^webhooks/stripe/(?P<uuid>{UUID_PATTERN})/?$", StripeWebhookView.as_view(), name="stripe-webhook"),
]
