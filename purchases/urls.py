"""Routes of purchases."""

from django.urls import re_path

from purchases.views import UUID_PATTERN, PurchaseViewSet
from purchases.webhooks import StripeWebhookView

ROUTES = [("purchases", PurchaseViewSet, "purchases")]
urlpatterns = [
    re_path(rf"^webhooks/stripe/(?P<uuid>{UUID_PATTERN})/?$", StripeWebhookView.as_view(), name="stripe-webhook"),
]
