"""Serializers of raffles."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from accounts.serializers.fields import CurrencyField
from luxewin.api.fields import Line, Moment, WholeNumber
from raffles import questions, terms
from raffles.models import MAX_PRICE, MAX_TICKETS, Prize, Raffle
from raffles.phases import Phase
from raffles.slugs import is_reserved

MAX_PRIZES = 50
UNIT = "In the unit that Stripe uses: 500 is 5.00 GBP, 5 ISK or UGX, 500 JPY or MGA, 0.500 KWD."
MAX_DELAY_SECONDS = 7 * 24 * 3600


class PrizeSerializer(serializers.ModelSerializer):
    """A prize; its position is its place in the list."""

    retail_value = WholeNumber(min_value=0, max_value=10**12, required=False, allow_null=True)

    class Meta:
        model = Prize
        fields = ["position", "name", "description", "retail_value"]
        read_only_fields = ["position"]


class TicketsSerializer(serializers.Serializer):
    """The ticket counter."""

    capacity = serializers.IntegerField()
    sold = serializers.IntegerField()
    held = serializers.IntegerField()
    left = serializers.IntegerField()
    postal = serializers.IntegerField(help_text="How many of the sold tickets are free entries.")


class RaffleSerializer(serializers.ModelSerializer):
    """A raffle as anyone sees it."""

    phase = serializers.ChoiceField(choices=Phase.choices)
    prizes = PrizeSerializer(many=True)
    tickets = TicketsSerializer(source="counter", allow_null=True, help_text="Null while it is a draft.")
    choices = serializers.ListField(child=serializers.CharField(), help_text="Empty if buyers type the answer.")

    class Meta:
        model = Raffle
        # Never `answer`.
        fields = [
            "id",
            "slug",
            "title",
            "description",
            "category",
            "image_url",
            "phase",
            "ticket_price",
            "currency",
            *(
                "max_per_person",
                "min_tickets",
                "alternates",
                "opens_at",
                "closes_at",
                "delay_seconds",
                "debit_percent",
                "question",
                "choices",
                "tickets",
                "prizes",
            ),
            "published_at",
            "closed_at",
            "drawn_at",
            "cancelled_at",
            "cancel_reason",
        ]


class RaffleWriteSerializer(serializers.ModelSerializer):
    """The fields that a raffle manager writes; with `partial`, those that they change."""

    slug = serializers.SlugField(max_length=80, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    ticket_price = WholeNumber(min_value=1, max_value=MAX_PRICE, help_text=UNIT)
    currency = CurrencyField()
    capacity = WholeNumber(min_value=1, max_value=MAX_TICKETS)
    max_per_person = WholeNumber(min_value=1, max_value=MAX_TICKETS)
    min_tickets = WholeNumber(min_value=0, max_value=MAX_TICKETS, required=False)
    alternates = WholeNumber(min_value=0, max_value=MAX_PRIZES, required=False)
    opens_at = Moment()
    closes_at = Moment()
    delay_seconds = WholeNumber(min_value=1, max_value=MAX_DELAY_SECONDS, required=False)
    debit_percent = WholeNumber(
        min_value=0,
        max_value=100,
        required=False,
        help_text="At most this percentage of the tickets is held for payments that take a bank several days.",
    )
    question = Line(max_length=300, required=False, allow_blank=True)
    choices = serializers.ListField(
        child=Line(max_length=questions.MAX_ANSWER),
        max_length=questions.MAX_CHOICES,
        required=False,
        help_text="Answers to choose from. Without any, buyers type their answer.",
    )
    answer = Line(max_length=questions.MAX_ANSWER, required=False, allow_blank=True, write_only=True)
    prizes = PrizeSerializer(many=True, allow_empty=False, max_length=MAX_PRIZES)  # type: ignore[call-arg]

    class Meta:
        model = Raffle
        fields = [
            "slug",
            "title",
            "description",
            "category",
            "image_url",
            "ticket_price",
            "currency",
            "capacity",
            "max_per_person",
            "min_tickets",
            "alternates",
            "opens_at",
            "closes_at",
            "delay_seconds",
            "prizes",
            "question",
            "choices",
            "answer",
            "debit_percent",
        ]

    def validate_slug(self, value: str) -> str:
        """Refuse words that the API uses, and text that reads as an id: those are other addresses."""
        if is_reserved(value):
            raise serializers.ValidationError(f"{value} is reserved. Choose another.", code="reserved")
        return value

    def validate_delay_seconds(self, value: int) -> int:
        """Require the delay that this installation promises."""
        if value < settings.DRAW_DELAY_SECONDS:
            raise serializers.ValidationError(f"At least {settings.DRAW_DELAY_SECONDS} seconds.", code="too_short")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Apply the rules between fields, and name every fault."""
        if not self.partial:
            attrs.setdefault("delay_seconds", settings.DRAW_DELAY_SECONDS)
        value = {name: attrs.get(name, getattr(self.instance, name, None)) for name in Raffle.TERMS}
        faults: dict[str, serializers.ErrorDetail] = {}
        for field, code, detail in terms.faults(value):
            faults.setdefault(field, serializers.ErrorDetail(detail, code=code))
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


class CancelSerializer(serializers.Serializer):
    """Why a raffle is cancelled; the reason is public."""

    reason = Line(max_length=200)
