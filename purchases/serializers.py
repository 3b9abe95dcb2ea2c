"""Shapes of what purchases take and give."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from luxewin.api.fields import Identifier, WholeNumber
from purchases.models import Payment, Purchase

MAX_QUANTITY = 1_000


class CreateSerializer(serializers.Serializer):
    """What a buyer asks for."""

    raffle = Identifier()
    quantity = WholeNumber(min_value=1, max_value=MAX_QUANTITY)


class VerifySerializer(serializers.Serializer):
    """Which purchase to ask Stripe about."""

    purchase = Identifier()


class NumbersSerializer(serializers.Serializer):
    """The numbers of a paid purchase: first to last, without a gap."""

    first = serializers.IntegerField()
    last = serializers.IntegerField()
    count = serializers.IntegerField()


class RaffleNameSerializer(serializers.Serializer):
    """Which raffle."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    title = serializers.CharField()


class PurchaseSerializer(serializers.ModelSerializer):
    """A purchase as its buyer sees it."""

    raffle = RaffleNameSerializer()
    tickets = serializers.SerializerMethodField()
    client_secret = serializers.SerializerMethodField(help_text="For Stripe.js, while payment is awaited.")

    class Meta:
        model = Purchase
        fields = [
            *("id", "raffle", "quantity", "amount", "currency", "status", "route", "tickets", "entry_id"),
            *("client_secret", "expires_at", "created_at", "paid_at"),
        ]

    @extend_schema_field(NumbersSerializer(allow_null=True))
    def get_tickets(self, purchase: Purchase) -> dict[str, int] | None:
        """Null until paid."""
        return purchase.tickets

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_client_secret(self, purchase: Purchase) -> str | None:
        """Only while it can be paid."""
        payment = getattr(purchase, "payment", None)
        if purchase.status != Purchase.Status.PENDING or payment is None or payment.status != Payment.Status.OPEN:
            return None
        return payment.client_secret
