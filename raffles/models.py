"""A raffle, its prizes, and the narrow row that counts its tickets."""

from datetime import datetime
from typing import TypedDict

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Now

from luxewin.draw_bounds import MIN_CLAIM, YEAR
from luxewin.ids import uuid7
from luxewin.lines import LineField
from luxewin.public_urls import validate_public_url
from luxewin.tasks.models import Claimable
from raffles.durations import DEFAULT_CLAIM, DEFAULT_COMMIT, MAX_DELAY
from raffles.fields import StoredField, WholeSecondField
from raffles.querysets import RaffleQuerySet
from raffles.search import Plain

MAX_TICKETS = 100_000_000
# The most that one card payment can be: Stripe takes at most eight digits in a charge.
MAX_PRICE = 99_999_999
MAX_VALUE = 10**12
MAX_CONDITIONS, MAX_INSTRUCTIONS, MAX_ADDITION, MAX_REASON = 50_000, 4_000, 4_000, 200


# More than the seconds of any closing time.
HISTORY = 10**13


class EpochSeconds(Func):
    """A time as whole Unix seconds; PostgreSQL can store it, because no setting changes it."""

    template = "extract(epoch FROM %(expressions)s AT TIME ZONE 'UTC')::bigint"
    output_field = models.BigIntegerField()


class FreeRoute(TypedDict):
    """How to enter free of charge by post, and until when letters count."""

    instructions: str
    until: datetime


class Raffle(Claimable):
    """An offer and its terms. The terms never change once it is published (a trigger guards them).

    `updated_at` is written by a trigger (raffles/sql/raffle_updated_at.sql).
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        CANCELLED = "cancelled", "Cancelled"

    class Category(models.TextChoices):
        WATCH = "watch", "Watch"
        CAR = "car", "Car"
        BAG = "bag", "Bag"
        JEWELLERY = "jewellery", "Jewellery"
        TRAVEL = "travel", "Travel"
        ART = "art", "Art"
        OTHER = "other", "Other"

    TERMS = (
        "slug",
        "title",
        "ticket_price",
        "currency",
        "capacity",
        "max_per_person",
        "min_tickets",
        "alternates",
        "opens_at",
        "closes_at",
        "conditions",
        "free_route_instructions",
        "free_route_until",
        "claim_seconds",
        "delay_seconds",
        "commit_within_seconds",
        "question",
        "choices",
        "answer",
        "debit_percent",
    )

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField("web address", max_length=80, unique=True)
    title = LineField(max_length=120)
    description = models.TextField(blank=True, max_length=10_000)
    category = models.CharField(max_length=10, choices=Category.choices)
    image_url = models.URLField(
        "picture", blank=True, validators=[validate_public_url], help_text="Web address of the picture."
    )
    ticket_price = models.PositiveIntegerField(
        "price per ticket",
        validators=[MinValueValidator(1)],
        help_text="In the unit that Stripe uses: 500 is 5.00 GBP, 500 JPY, 0.500 KWD or 5 ISK.",
    )
    currency = models.CharField(
        max_length=3,
        validators=[RegexValidator(r"^[a-z]{3}$")],
        help_text="Lower-case ISO 4217 code of a currency that Stripe charges, for example gbp, eur or usd.",
    )
    capacity = models.PositiveIntegerField(
        "number of tickets", validators=[MinValueValidator(1)], help_text="How many tickets there are."
    )
    max_per_person = models.PositiveIntegerField("tickets per person at most", validators=[MinValueValidator(1)])
    min_tickets = models.PositiveIntegerField(
        "minimum tickets", default=0, help_text="If fewer are sold, everyone is refunded and there is no draw."
    )
    alternates = models.PositiveSmallIntegerField(
        "reserve winners", default=2, help_text="How many are picked to take over a prize if a winner drops out."
    )
    opens_at = WholeSecondField("on sale from")
    closes_at = WholeSecondField("on sale until")
    conditions = models.TextField(
        "entry conditions",
        blank=True,
        max_length=MAX_CONDITIONS,
        help_text="Needed for publication. Later on you can only add to them: each addition is public and mailed.",
    )
    free_route_instructions = models.TextField(
        "free entry by post",
        blank=True,
        max_length=MAX_INSTRUCTIONS,
        help_text="What to send where. Empty: there is no free entry.",
    )
    free_route_until = WholeSecondField(
        "letters count until", null=True, blank=True, help_text="While tickets are on sale; needed with free entry."
    )
    claim_seconds = models.PositiveIntegerField(
        "time to claim a prize (seconds)",
        default=DEFAULT_CLAIM,
        db_default=DEFAULT_CLAIM,
        help_text="How long winners have to come forward before their prize can pass on. 1209600 is 14 days.",
    )
    delay_seconds = models.PositiveIntegerField(
        "wait before the draw (seconds)",
        help_text="From when the entries are fixed and published until the random number that decides the draw.",
    )
    commit_within_seconds = models.PositiveIntegerField(
        "fix the entries within (seconds)",
        default=DEFAULT_COMMIT,
        db_default=DEFAULT_COMMIT,
        help_text="After the end of the sale. Later there is no draw and everyone is refunded. 604800 is 7 days.",
    )
    question = LineField(max_length=300, blank=True, help_text="A question of skill that every buyer must answer.")
    choices = models.JSONField(
        "answers to choose from", default=list, blank=True, help_text="Without any, buyers type their answer."
    )
    answer = LineField("right answer", max_length=200, blank=True, help_text="Buyers never see it.")
    debit_percent = models.PositiveSmallIntegerField(
        "tickets for slow payments (%)",
        default=20,
        db_default=20,
        validators=[MaxValueValidator(100)],
        help_text="At most this percentage of the tickets is held for payments that take a bank several days.",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    announced_at = models.DateTimeField(
        "rules recorded at",
        null=True,
        editable=False,
        help_text="When the rules of its draw were recorded where nobody can change them. The sale opens after that.",
    )
    closed_at = models.DateTimeField(
        "sales ended at", null=True, editable=False, help_text="Sold out, or the end of the sale was reached."
    )
    frozen_at = models.DateTimeField(
        "entries fixed at", null=True, editable=False, help_text="Since then nobody can enter or leave the draw."
    )
    drawn_at = models.DateTimeField(null=True, editable=False)
    cancelled_at = models.DateTimeField(null=True, editable=False)
    cancel_reason = LineField("reason for cancelling", max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="When anything but its ticket counter last changed; by a trigger."
    )
    listing = StoredField(
        expression=Case(
            When(status="published", closed_at=None, then=EpochSeconds("closes_at")),
            default=Value(HISTORY) - EpochSeconds("closes_at"),
        ),
        output_field=models.BigIntegerField(),
        help_text="Its place in lists: what is or comes on sale by its end, then the others, the newest first.",
    )
    search_text = StoredField(expression=Plain("title", "description"), output_field=models.TextField())

    objects = RaffleQuerySet.as_manager()
    # Only on rows read with `with_phase()`.
    phase: str
    read_at: datetime

    class Meta:
        ordering = ["-created_at"]
        permissions = [("publish_raffle", "Can publish a raffle"), ("cancel_raffle", "Can cancel a raffle")]
        constraints = [
            models.CheckConstraint(condition=Q(ticket_price__gte=1, ticket_price__lte=MAX_PRICE), name="raffle_price"),
            models.CheckConstraint(condition=Q(capacity__gte=1, capacity__lte=MAX_TICKETS), name="raffle_capacity"),
            models.CheckConstraint(
                condition=Q(max_per_person__gte=1, max_per_person__lte=F("capacity")), name="raffle_max_per_person"
            ),
            models.CheckConstraint(condition=Q(min_tickets__lte=F("capacity")), name="raffle_min_tickets"),
            models.CheckConstraint(condition=Q(closes_at__gt=F("opens_at")), name="raffle_closes_after_opening"),
            models.CheckConstraint(
                condition=Q(free_route_instructions="", free_route_until=None)
                # Without the first, a missing end would make the rule unknown, which passes.
                | Q(free_route_until__isnull=False)
                & ~Q(free_route_instructions="")
                & Q(free_route_until__gt=F("opens_at"), free_route_until__lte=F("closes_at")),
                name="raffle_free_route",
            ),
            models.CheckConstraint(condition=Q(claim_seconds__range=(MIN_CLAIM, YEAR)), name="raffle_claim_seconds"),
            models.CheckConstraint(condition=Q(delay_seconds__range=(1, MAX_DELAY)), name="raffle_delay_seconds"),
            models.CheckConstraint(condition=Q(commit_within_seconds__range=(1, YEAR)), name="raffle_commit_within"),
            models.CheckConstraint(condition=Q(debit_percent__lte=100), name="raffle_debit_percent"),
            models.CheckConstraint(condition=Q(question="") | ~Q(answer=""), name="raffle_question_has_answer"),
        ]
        indexes = [
            # For each order of lists; and for phases, of which few raffles are in any but "drawn".
            models.Index(fields=["listing", "id"], condition=~Q(status="draft"), name="raffle_by_listing"),
            models.Index(fields=["closes_at", "id"], condition=~Q(status="draft"), name="raffle_by_closing"),
            models.Index(fields=["ticket_price", "id"], condition=~Q(status="draft"), name="raffle_by_price"),
            models.Index(
                fields=["currency", "ticket_price", "id"], condition=~Q(status="draft"), name="raffle_by_currency"
            ),
            models.Index(fields=["published_at", "id"], condition=~Q(status="draft"), name="raffle_by_publication"),
            models.Index(
                fields=["closes_at", "id"], condition=Q(status="published", drawn_at=None), name="raffle_undrawn"
            ),
            models.Index(fields=["closes_at", "id"], condition=Q(status="cancelled"), name="raffle_cancelled"),
            models.Index(fields=["closes_at"], condition=Q(status="published", closed_at=None), name="raffle_to_close"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def free_route(self) -> FreeRoute | None:
        """Return how to enter free of charge, or None."""
        if self.free_route_until is None:
            return None
        return {"instructions": self.free_route_instructions, "until": self.free_route_until}


class Prize(models.Model):
    """The prize of a pick: pick 1 wins the prize at position 1, and so on."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    raffle = models.ForeignKey(Raffle, models.CASCADE, related_name="prizes")
    position = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    name = LineField(max_length=120)
    description = models.TextField(blank=True, max_length=4_000)
    retail_value = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="In the same unit as the ticket price."
    )
    cash_alternative = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Paid instead if the winner prefers it; in the unit of the ticket price."
    )
    search_text = StoredField(expression=Plain("name"), output_field=models.TextField())

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["raffle", "position"], name="prize_position"),
            models.CheckConstraint(condition=Q(retail_value=None) | Q(retail_value__lte=MAX_VALUE), name="prize_value"),
            models.CheckConstraint(
                condition=Q(cash_alternative=None) | Q(cash_alternative__lte=MAX_VALUE), name="prize_cash_alternative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"


class TermsAddition(models.Model):
    """A public addition to the conditions of a published raffle: dated by the database, never changed or removed.

    Triggers guard it (raffles/sql/terms_additions_are_kept.sql).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    raffle = models.ForeignKey(Raffle, models.PROTECT, related_name="additions")
    text = models.TextField(max_length=MAX_ADDITION)
    published_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "addition to the conditions"
        verbose_name_plural = "additions to the conditions"
        ordering = ["published_at", "id"]
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="addition_has_text")]

    def __str__(self) -> str:
        return f"{self.raffle}, {self.published_at:%Y-%m-%d %H:%M}"


class TicketCounter(models.Model):
    """How many tickets are held and sold: the one hot row of a raffle, locked last and for one statement.

    `sold` counts numbers that were given out; a refund leaves a gap and does not lower it. Its table has a fillfactor
    that keeps updates on the page (raffles/sql/ticket_counter.sql).
    """

    raffle = models.OneToOneField(Raffle, models.CASCADE, primary_key=True, related_name="counter")
    capacity = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)
    sold = models.PositiveIntegerField(default=0)
    postal = models.PositiveIntegerField(default=0, help_text="How many of the sold tickets are free entries.")
    # Kept here and not on the raffle, so that closing and the last hold use the same lock.
    selling = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(held__gte=0), name="counter_held_not_negative"),
            models.CheckConstraint(condition=Q(sold__gte=0), name="counter_sold_not_negative"),
            models.CheckConstraint(condition=Q(capacity__gte=F("held") + F("sold")), name="counter_never_oversold"),
            models.CheckConstraint(condition=Q(postal__lte=F("sold")), name="counter_postal_of_sold"),
        ]

    def __str__(self) -> str:
        return f"{self.sold} of {self.capacity} sold (free entries: {self.postal}), {self.held} reserved"

    @property
    def left(self) -> int:
        """Return how many tickets can still be held."""
        return self.capacity - self.held - self.sold

    @property
    def percent_sold(self) -> int:
        """Return it rounded down, so that 100 is sold out."""
        return self.sold * 100 // self.capacity


class Favourite(Claimable):
    """A raffle that a person keeps in view, and of what they asked to be reminded.

    A flag is cleared in the transaction that writes its message.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="favourites")
    raffle = models.ForeignKey(Raffle, models.CASCADE, related_name="favourites")
    remind_opening = models.BooleanField(default=False, help_text="Tell the person when the sale opens.")
    remind_closing = models.BooleanField(default=False, help_text="Tell the person some hours before the sale ends.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "raffle"], name="favourite_once")]
        indexes = [
            models.Index(fields=["raffle"], condition=Q(remind_opening=True), name="favourite_opening"),
            models.Index(fields=["raffle"], condition=Q(remind_closing=True), name="favourite_closing"),
        ]

    def __str__(self) -> str:
        return f"{self.raffle_id} of {self.user_id}"


class SaleStop(models.Model):
    """A time in which staff stopped the sale of all raffles; it runs while `ended_at` is null.

    `hold_tickets` (purchases/sql) reads it. Who stopped and resumed the sale is in the audit.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    reason = LineField(max_length=MAX_REASON, help_text="Public: buyers are told.")
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "stop of all sales"
        verbose_name_plural = "stops of all sales"
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["ended_at"], condition=Q(ended_at=None), nulls_distinct=False, name="sale_stop_runs_once"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="sale_stop_has_reason"),
        ]

    def __str__(self) -> str:
        end = f"{self.ended_at:%Y-%m-%d %H:%M}" if self.ended_at else "now"
        return f"{self.started_at:%Y-%m-%d %H:%M} to {end}: {self.reason}"
