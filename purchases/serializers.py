"""Serializers of purchases."""

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from luxewin.api.fields import Digest, Identifier, WholeNumber
from luxewin.api.serializers import InputSerializer
from purchases.filters import Outcome
from purchases.models import Purchase
from purchases.receipts import receipt_of
from raffles.models import Raffle
from raffles.outlook import draw_expected_at
from raffles.phases import Phase
from raffles.serializers import RaffleName

MAX_QUANTITY = 1_000


class CreateSerializer(InputSerializer):
    """What a buyer asks for."""

    raffle = RaffleName()
    quantity = WholeNumber(min_value=1, max_value=MAX_QUANTITY)
    answer = serializers.CharField(
        max_length=200, required=False, help_text="The answer to the raffle's question, if it has one."
    )
    holder = Digest(
        required=False,
        help_text="SHA-256 of 32 random bytes that the device made for this purchase and keeps: 64 lower-case hex "
        "digits. Without it the server makes them, and gives them with the receipt.",
    )


class VerifySerializer(InputSerializer):
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


class ReceiptSerializer(serializers.Serializer):
    """The operator's signed promise that the entry is in the public log, and so in the draw (`luxewin/draw/v2`)."""

    protocol = serializers.CharField()
    raffle = serializers.UUIDField()
    manifest_hash = serializers.CharField()
    entry_id = serializers.UUIDField()
    first_ticket = serializers.IntegerField()
    count = serializers.IntegerField()
    holder = serializers.CharField()
    nonce = serializers.CharField(allow_null=True, help_text="Null if the buyer's device made the holder.")
    at = serializers.IntegerField(help_text="Unix seconds.")
    signature = serializers.CharField(help_text="Ed25519, by the `receipt_key` of the manifest.")


class PurchaseSerializer(serializers.Serializer):
    """A purchase as its buyer sees it."""

    id = serializers.UUIDField()
    raffle = RaffleNameSerializer()
    quantity = serializers.IntegerField()
    amount = serializers.IntegerField(help_text="In the same unit as the ticket price of the raffle.")
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=Purchase.Status.choices)
    route = serializers.ChoiceField(choices=Purchase.Route.choices)
    tickets = NumbersSerializer(allow_null=True, help_text="Null until paid.")
    entry_id = serializers.UUIDField(help_text="Public. It says nothing about the person.")
    client_secret = serializers.CharField(
        allow_null=True, help_text="For Stripe.js while the purchase can be paid, else null."
    )
    expires_at = serializers.DateTimeField(help_text="The tickets are held for the payment until then.")
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    receipt = serializers.SerializerMethodField(
        help_text="Null until paid, and for a purchase that is not in its raffle any more. Keep it: it shows whether "
        "the entry was left out."
    )

    @extend_schema_field(ReceiptSerializer(allow_null=True))
    def get_receipt(self, purchase: Purchase) -> dict[str, Any] | None:
        """Return what the verifier takes with `--receipt`."""
        return receipt_of(purchase)


class RaffleCardSerializer(RaffleNameSerializer):
    """The raffle of a purchase, as an account's page shows it."""

    phase = serializers.ChoiceField(choices=Phase.choices)
    image_url = serializers.CharField(help_text="Empty if there is none.")
    closes_at = serializers.DateTimeField()
    draw_expected_at = serializers.DateTimeField(
        allow_null=True, help_text="When the draw can be at the earliest. Null if none is to come."
    )
    drawn_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Raffle) -> dict[str, Any]:
        """Add what is derived."""
        instance.draw_expected_at = draw_expected_at(instance)  # type: ignore[attr-defined]
        return super().to_representation(instance)


class OwnPurchaseSerializer(PurchaseSerializer):
    """A purchase with its raffle and what it won."""

    raffle = RaffleCardSerializer()
    outcome = serializers.SerializerMethodField(
        help_text="Null unless it is in a draw; `lost` may still become `won` while a winner can drop out."
    )
    prizes = serializers.SerializerMethodField(help_text="Names of the prizes that it has, once drawn.")

    @extend_schema_field(serializers.ChoiceField(Outcome.choices, allow_null=True))
    def get_outcome(self, purchase: Purchase) -> str | None:
        """Return it once the draw is over; before, nobody is told."""
        if purchase.status != Purchase.Status.PAID:
            return None
        if purchase.raffle.drawn_at is None:
            return Outcome.OPEN.value
        return Outcome.WON.value if purchase.won else Outcome.LOST.value

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_prizes(self, purchase: Purchase) -> list[str]:
        """Return none before the draw is over."""
        is_drawn = purchase.status == Purchase.Status.PAID and purchase.raffle.drawn_at is not None
        return purchase.prizes if is_drawn else []


class SpentSerializer(serializers.Serializer):
    """What was paid in one currency."""

    currency = serializers.CharField()
    amount = serializers.IntegerField()


class TotalsSerializer(serializers.Serializer):
    """Sums over a person's purchases that are paid and in, or were in, a draw."""

    purchases = serializers.IntegerField()
    tickets = serializers.IntegerField()
    raffles = serializers.IntegerField()
    won = serializers.IntegerField(help_text="Purchases that won a prize.")
    spent = SpentSerializer(many=True)


@cache
def _wanted() -> CreateSerializer:
    return CreateSerializer()


def wanted(data: Any) -> dict[str, Any]:
    """Validate what a buyer asks for, with one shared serializer, as `shown` does. Raise ValidationError."""
    return _wanted().run_validation(data)


@cache
def _shown() -> PurchaseSerializer:
    return PurchaseSerializer()


def shown(purchase: Purchase) -> dict[str, Any]:
    """Serialize the purchase with one shared serializer: building its fields costs more than using them."""
    return _shown().to_representation(purchase)
