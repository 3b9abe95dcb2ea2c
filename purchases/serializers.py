"""Shapes of what purchases take and give."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from luxewin.api.fields import Identifier, WholeNumber
from purchases.models import Purchase

MAX_QUANTITY = 1_000


class CreateSerializer(serializers.Serializer):
    """What a buyer asks for."""

    raffle = Identifier()
    quantity = WholeNumber(min_value=1, max_value=MAX_QUANTITY)
    answer = serializers.CharField(
        max_length=200, required=False, help_text="To the raffle's question, where it has one."
    )


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
    client_secret = serializers.CharField(
        allow_null=True, help_text="For Stripe.js, while payment is awaited; else null."
    )

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
