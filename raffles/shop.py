"""What a shop needs to know of this installation: `shop`."""

from typing import Any

from django.conf import settings
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.serializers.safeguards import TermsSerializer
from accounts.services import terms_in_force
from luxewin.api.public_reads import public_read
from luxewin.api.views import StrictViewSet
from luxewin.clock import database_now
from luxewin.currencies import CURRENCIES
from raffles.sale_stops import running_stop


class CurrencySerializer(serializers.Serializer):
    """A currency in which a raffle's tickets can be."""

    code = serializers.CharField(help_text="ISO 4217, in lower case.")
    exponent = serializers.IntegerField(source="decimals", help_text="Decimals of an amount: 2 if 500 is 5.00.")
    multiple = serializers.IntegerField(help_text="Every amount is a multiple of this.")
    minimum = serializers.IntegerField(help_text="The smallest amount that can be charged.")


class LanguageSerializer(serializers.Serializer):
    """A language of e-mails."""

    code = serializers.CharField()
    name = serializers.CharField(help_text="In the language itself.")


class FeaturesSerializer(serializers.Serializer):
    """What is set up here."""

    supabase = serializers.BooleanField(help_text="Whether people can sign in with a Supabase access token.")
    chain = serializers.BooleanField(help_text="Whether draws are recorded on a chain.")
    live_payments = serializers.BooleanField(help_text="False while payments are Stripe's test payments.")


class SaleStopSerializer(serializers.Serializer):
    """Why and since when no tickets are sold of any raffle."""

    reason = serializers.CharField()
    since = serializers.DateTimeField(source="started_at")


class ShopSerializer(serializers.Serializer):
    """What a shop needs to know of this installation."""

    operator = serializers.CharField()
    support_email = serializers.CharField()
    stripe_publishable_key = serializers.CharField(help_text="For Stripe.js. Empty if it is not set.")
    currencies = CurrencySerializer(many=True)
    languages = LanguageSerializer(many=True)
    minimum_age = serializers.IntegerField(help_text="At least; the law where a person lives may want more.")
    hold_seconds = serializers.IntegerField(help_text="How long tickets are held for their payment.")
    terms = TermsSerializer(allow_null=True, help_text="The terms of sale in force, which buyers must have accepted.")
    sales_stopped = SaleStopSerializer(
        allow_null=True, help_text="Set while no tickets are sold of any raffle; buying is then 503 `sales_stopped`."
    )
    features = FeaturesSerializer()
    server_time = serializers.DateTimeField(help_text="For countdowns: at most a second old, or as old as `Age` says.")


class ShopViewSet(StrictViewSet):
    """This installation, as a shop shows it."""

    permission_classes = [AllowAny]
    filter_backends = []
    pagination_class = None

    @extend_schema(responses=forced_singular_serializer(ShopSerializer))
    @public_read()
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get what a shop needs to know: keys, currencies, languages, limits, terms in force, features."""
        shop = {
            "operator": settings.OPERATOR_NAME,
            "support_email": settings.SUPPORT_EMAIL,
            "stripe_publishable_key": settings.STRIPE_PUBLIC_KEY,
            "currencies": CURRENCIES.values(),
            "languages": [{"code": code, "name": name} for code, name in settings.LANGUAGES],
            "minimum_age": settings.MINIMUM_AGE,
            "hold_seconds": settings.HOLD_SECONDS,
            "terms": terms_in_force(),
            "sales_stopped": running_stop(),
            "features": {
                "supabase": bool(settings.SUPABASE_URL),
                "chain": bool(settings.CHAIN_RPC_URLS),
                "live_payments": settings.STRIPE_LIVE_MODE,
            },
            "server_time": database_now(),
        }
        return Response(ShopSerializer(shop).data)
