"""Serializers of raffles."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.text import Truncator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers.fields import CurrencyField
from luxewin.api.fields import Line, Moment, WholeNumber
from luxewin.api.serializers import InputModelSerializer, InputSerializer
from luxewin.draw_bounds import MIN_CLAIM, YEAR
from raffles import durations, outlook, questions, terms
from raffles.models import (
    MAX_CONDITIONS,
    MAX_INSTRUCTIONS,
    MAX_PRICE,
    MAX_TICKETS,
    MAX_VALUE,
    Prize,
    Raffle,
    TermsAddition,
)
from raffles.odds import chance
from raffles.phases import Phase
from raffles.querysets import IN_LIST
from raffles.slugs import is_reserved

MAX_PRIZES = 50
#: As many characters as search engines show.
PREVIEW = 160
TIMES = ("opens_at", "closes_at", "published_at", "closed_at", "drawn_at", "cancelled_at", "updated_at")
UNIT = "In the unit that Stripe uses: 500 is 5.00 GBP, 5 ISK or UGX, 500 JPY or MGA, 0.500 KWD."


class PrizeSerializer(InputModelSerializer):
    """A prize; its position is its place in the list."""

    retail_value = WholeNumber(min_value=0, max_value=MAX_VALUE, required=False, allow_null=True)
    cash_alternative = WholeNumber(
        min_value=0,
        max_value=MAX_VALUE,
        required=False,
        allow_null=True,
        help_text="Paid instead if the winner prefers it; in the unit of the ticket price.",
    )

    class Meta:
        model = Prize
        fields = ["position", "name", "description", "retail_value", "cash_alternative"]
        read_only_fields = ["position"]


class FreeRouteSerializer(InputSerializer):
    """How to enter free of charge by post."""

    instructions = serializers.CharField(max_length=MAX_INSTRUCTIONS, help_text="What to send where.")
    until = Moment(required=False, help_text="Until when letters count. Left out, it is the end of the sale.")


class TermsAdditionSerializer(serializers.ModelSerializer):
    """What was added to the conditions after publication."""

    class Meta:
        model = TermsAddition
        fields = ["text", "published_at"]


class TicketsSerializer(serializers.Serializer):
    """The ticket counter."""

    capacity = serializers.IntegerField()
    sold = serializers.IntegerField()
    held = serializers.IntegerField()
    left = serializers.IntegerField()
    postal = serializers.IntegerField(help_text="How many of the sold tickets are free entries.")
    percent_sold = serializers.IntegerField(help_text="Rounded down: 100 is sold out.")


class ShareSerializer(serializers.Serializer):
    """What a page about the raffle says in its head."""

    url = serializers.CharField(help_text="The canonical address.")
    title = serializers.CharField()
    description = serializers.CharField(help_text=f"The description in at most {PREVIEW} characters.")
    image_url = serializers.CharField(help_text="Empty if there is none.")


class RaffleSummarySerializer(serializers.ModelSerializer):
    """A raffle in a list: without its conditions, which are long."""

    phase = serializers.ChoiceField(choices=Phase.choices)
    prizes = PrizeSerializer(many=True)
    tickets = TicketsSerializer(source="counter", allow_null=True, help_text="Null while it is a draft.")
    choices = serializers.ListField(child=serializers.CharField(), help_text="Empty if buyers type the answer.")
    waiting_for = serializers.SerializerMethodField(help_text="What the draw waits for next; null if none is to come.")
    draw_expected_at = serializers.SerializerMethodField(
        help_text="When the draw can be at the earliest; open payments can delay it. Null if none is to come."
    )
    badges = serializers.SerializerMethodField(help_text="What a shop may show on the picture.")

    class Meta:
        model = Raffle
        # Never `answer`.
        fields = [*IN_LIST, "tickets", "prizes", "waiting_for", "draw_expected_at", "badges"]

    @extend_schema_field(serializers.ChoiceField(outlook.WaitsFor.choices, allow_null=True))
    def get_waiting_for(self, raffle: Raffle) -> str | None:
        """Return its code."""
        return outlook.waiting_for(raffle)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_draw_expected_at(self, raffle: Raffle) -> str | None:
        """Return it as text."""
        return _text(outlook.draw_expected_at(raffle))

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(outlook.Badge.choices)))
    def get_badges(self, raffle: Raffle) -> list[str]:
        """Return none of a draft, which has no counter."""
        if not hasattr(raffle, "counter"):
            return []
        left, percent = raffle.counter.left, raffle.counter.percent_sold
        return [*outlook.badges(raffle, left=left, percent_sold=percent)]


def _text(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def summary(row: Any) -> dict[str, Any]:
    """Return what RaffleSummarySerializer would of a row selected `in_rows`, at a fraction of the cost."""
    capacity, sold, held = row.counter__capacity, row.counter__sold, row.counter__held
    left = capacity - held - sold
    # The database sorts the members of its objects.
    prizes = [{name: prize[name] for name in PrizeSerializer.Meta.fields} for prize in row.prizes_shown]
    made: dict[str, Any] = {"id": str(row.id), "prizes": prizes}
    percent = sold * 100 // capacity
    made["tickets"] = {"capacity": capacity, "sold": sold, "held": held, "left": left, "postal": row.counter__postal}
    made["tickets"]["percent_sold"] = percent
    made["waiting_for"] = outlook.waiting_for(row)
    made["draw_expected_at"] = _text(outlook.draw_expected_at(row))
    made["badges"] = outlook.badges(row, left=left, percent_sold=percent)
    for name in TIMES:
        made[name] = _text(getattr(row, name))
    return {name: made[name] if name in made else getattr(row, name) for name in RaffleSummarySerializer.Meta.fields}


class RaffleName(serializers.SlugField):
    """A raffle's id, or its slug."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=80, **({"help_text": "Id or slug."} | kwargs))

    def to_internal_value(self, data: Any) -> UUID | str:  # type: ignore[override]  # an id is no text any more
        """Return a UUID, or the slug; refuse anything but text."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return UUID(data)
        except ValueError:
            return super().to_internal_value(data)

    def run_validators(self, value: UUID | str) -> None:
        """Check the slug."""
        if isinstance(value, str):
            super().run_validators(value)


class OddsQuerySerializer(serializers.Serializer):
    """For how many tickets the odds are. Context: `raffle`."""

    tickets = serializers.IntegerField(
        min_value=1, max_value=MAX_TICKETS, default=1, help_text="For `odds`: at most `max_per_person`."
    )

    def validate_tickets(self, value: int) -> int:
        """Refuse more than one person can have."""
        most = self.context["raffle"].max_per_person
        if value > most:
            raise serializers.ValidationError(f"A person can have at most {most} tickets.", code="max_value")
        return value


class OddsSerializer(serializers.Serializer):
    """The chance that some of so many tickets wins a prize: 0.002 is 1 in 500. A refund can only raise it."""

    tickets = serializers.IntegerField(help_text="As asked by the parameter, or 1.")
    now = serializers.FloatField(help_text="If these were the last ones to be sold.")
    sold_out = serializers.FloatField(help_text="If every ticket is sold: the least that it can be.")


class RaffleSerializer(RaffleSummarySerializer):
    """A raffle as anyone sees it. Context: `tickets`, for which the odds are; 1 without."""

    free_route = FreeRouteSerializer(allow_null=True, help_text="Null if nobody can enter free of charge.")
    additions = TermsAdditionSerializer(many=True, help_text="Added to the conditions since publication, oldest first.")
    odds = serializers.SerializerMethodField(help_text="Null unless it is on sale or coming.")
    share = serializers.SerializerMethodField(help_text="For search engines and previews of links.")

    class Meta(RaffleSummarySerializer.Meta):
        fields = [*RaffleSummarySerializer.Meta.fields, "conditions", "additions", "free_route", "odds", "share"]

    @extend_schema_field(OddsSerializer(allow_null=True))
    def get_odds(self, raffle: Raffle) -> dict[str, float] | None:
        """Return them by the counter as it was read; tickets that are only held do not count as sold."""
        if raffle.phase not in {Phase.UPCOMING, Phase.OPEN}:
            return None
        tickets, capacity, prizes = self.context.get("tickets", 1), raffle.capacity, len(raffle.prizes.all())
        sold = min(raffle.counter.sold + tickets, capacity)
        return {
            "tickets": tickets,
            "now": chance(tickets, taking_part=sold, prizes=prizes),
            "sold_out": chance(tickets, taking_part=capacity, prizes=prizes),
        }

    @extend_schema_field(ShareSerializer)
    def get_share(self, raffle: Raffle) -> dict[str, str]:
        """Return what pages about it say in their head."""
        site = settings.FRONTEND_URL or settings.PUBLIC_URL
        return {
            "url": f"{site}/raffles/{raffle.slug}",
            "title": raffle.title,
            "description": Truncator(" ".join(raffle.description.split())).chars(PREVIEW),
            "image_url": raffle.image_url,
        }


class RaffleWriteSerializer(InputModelSerializer):
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
    conditions = serializers.CharField(
        max_length=MAX_CONDITIONS,
        required=False,
        allow_blank=True,
        help_text="Needed for publication. Later they can only be added to.",
    )
    free_route = FreeRouteSerializer(required=False, allow_null=True)
    claim_seconds = WholeNumber(
        min_value=MIN_CLAIM,
        max_value=YEAR,
        required=False,
        help_text="How long winners have to come forward before their prize can pass on.",
    )
    delay_seconds = WholeNumber(min_value=1, max_value=durations.MAX_DELAY, required=False)
    commit_within_seconds = WholeNumber(
        min_value=1,
        max_value=YEAR,
        required=False,
        help_text="The entries are fixed so soon after the end of the sale; otherwise everyone is refunded.",
    )
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
            "conditions",
            "free_route",
            "claim_seconds",
            "delay_seconds",
            "commit_within_seconds",
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

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Apply the rules between fields, and name every fault."""
        if not self.partial:
            attrs.setdefault("delay_seconds", settings.DRAW_DELAY_SECONDS)
        value = {name: attrs.get(name, getattr(self.instance, name, None)) for name in Raffle.TERMS}
        if "free_route" in attrs:
            route = attrs["free_route"] or {"instructions": "", "until": None}
            route.setdefault("until", value["closes_at"])
            value |= {f"free_route_{name}": each for name, each in route.items()}
        faults: dict[str, Any] = {}
        for field, code, detail in terms.faults(value):
            name, _, member = field.partition(".")
            at = faults.setdefault(name, {}) if member else faults
            at.setdefault(member or name, serializers.ErrorDetail(detail, code=code))
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


class CategorySerializer(serializers.Serializer):
    """How many raffles of a category there are to buy."""

    category = serializers.ChoiceField(choices=Raffle.Category.choices)
    open = serializers.IntegerField(help_text="On sale.")
    upcoming = serializers.IntegerField()


class CancelSerializer(InputSerializer):
    """Why a raffle is cancelled; the reason is public."""

    reason = Line(max_length=200)
