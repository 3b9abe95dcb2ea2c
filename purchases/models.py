"""Purchases, the attempts to pay for them, and their refunds.

The state of the tickets (`Purchase.status`) and of the money (`Payment.status`) are separate, so that late and double
payments can be stored.
"""

from typing import ClassVar
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact
from django.utils.translation import ngettext

from luxewin.clock import UpdatedAtField
from luxewin.ids import uuid7
from luxewin.lines import LineField
from luxewin.tasks.models import Claimable
from purchases.holders import SIZE, RandomHolder
from purchases.querysets import PurchaseQuerySet
from raffles.models import Raffle


class PersonTally(models.Model):
    """How many tickets of one raffle one person holds or owns: this row enforces the limit per person."""

    # The unique constraint's index serves lookups by raffle.
    raffle = models.ForeignKey(Raffle, models.PROTECT, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    taken = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["raffle", "user"], name="tally_raffle_user"),
            models.CheckConstraint(condition=Q(taken__gte=0), name="tally_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} took {self.taken}"


class Purchase(Claimable):
    """Tickets of one raffle that one person holds, owns or owned; once paid, an entry of the draw."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"  # tickets are held, the payment is awaited
        PROCESSING = "processing", "Processing"  # tickets are held, a bank takes days for the payment
        PAID = "paid", "Paid"  # numbers are issued; the only status that takes part in a draw
        EXPIRED = "expired", "Expired"  # the hold was released, no money is kept
        REVIEW = "review", "In review"  # money arrived that does not match; nothing issued, finance decides
        REFUNDING = "refunding", "Being refunded"  # out of the draw, the refund is on its way
        REFUNDED = "refunded", "Refunded"  # Stripe confirmed the refund
        VOID = "void", "Void"  # out of the draw, and no money goes back: a free entry, or a lost dispute

    class Route(models.TextChoices):
        CARD = "card", "Card"
        POSTAL = "postal", "Free entry"

    # Only on rows read `for_buyer()`.
    won: bool
    prizes: list[str]

    HOLDING: ClassVar[list[str]] = ["pending", "processing"]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    entry_id = models.UUIDField(
        unique=True, default=uuid4, editable=False, help_text="Public. It says nothing about the person."
    )
    holder = models.BinaryField(
        max_length=SIZE, db_default=RandomHolder(), help_text="Public: SHA-256 of the nonce that the buyer keeps."
    )
    nonce = models.BinaryField(
        max_length=SIZE, null=True, help_text="Only if the server made it, for a client that sent no holder."
    )
    # Every hold writes every index: other indexes that begin with these columns serve their lookups too.
    raffle = models.ForeignKey(Raffle, models.PROTECT, related_name="purchases", db_index=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="purchases", db_index=False)
    route = models.CharField(max_length=6, choices=Route.choices, default=Route.CARD)
    quantity = models.PositiveIntegerField()
    amount = models.PositiveBigIntegerField(help_text="In the unit that Stripe uses: 500 is 5.00 GBP.")
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    first_ticket = models.PositiveIntegerField(null=True)
    idempotency_key = models.CharField(max_length=255)
    request_digest = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField("reserved until", help_text="The tickets are held for the payment until then.")
    created_at = models.DateTimeField(db_default=Now())
    paid_at = models.DateTimeField(null=True)
    review_evidence = models.JSONField(null=True, help_text="Why it is in review, with what Stripe says.")
    lapsed_at = models.DateTimeField(
        null=True, help_text="When the hold ended without a payment: it ran out, or was released late."
    )
    bank_refusals = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many payments for it a bank refused after several days."
    )
    disputed_at = models.DateTimeField(null=True, help_text="When the cardholder first disputed the payment.")

    # For Stripe.js while the purchase can be paid: `for_display()` reads it, opening a payment sets it.
    client_secret: str | None = None

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("refund_purchase", "Can refund a purchase")]
        constraints = [
            models.UniqueConstraint(fields=["buyer", "idempotency_key"], name="purchase_once_per_key"),
            models.UniqueConstraint(fields=["raffle", "first_ticket"], name="purchase_numbers_once"),
            models.UniqueConstraint(fields=["raffle", "holder"], name="purchase_holder_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="purchase_quantity"),
            models.CheckConstraint(
                condition=Q(
                    Exact(Length("holder"), SIZE),
                    Q(nonce=None)
                    | Q(Exact(Length("nonce"), SIZE), Exact(F("holder"), Func("nonce", function="sha256"))),
                ),
                name="purchase_holder_of_nonce",
            ),
            models.CheckConstraint(
                # NULL >= 1 is unknown, and a check passes unless it is false.
                condition=~Q(status="paid") | Q(first_ticket__isnull=False, first_ticket__gte=1),
                name="purchase_paid_has_numbers",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(status__in=["pending", "processing"]), name="purchase_holding"
            ),
            models.Index(fields=["buyer", "-id"], name="purchase_of_buyer"),
            models.Index(fields=["buyer", "lapsed_at"], condition=Q(lapsed_at__isnull=False), name="purchase_lapsed"),
        ]

    def __str__(self) -> str:
        tickets = ngettext("%d ticket", "%d tickets", self.quantity) % self.quantity
        return f"{tickets}, {self.get_status_display().lower()}"

    @property
    def tickets(self) -> dict[str, int] | None:
        """The ticket numbers, once issued."""
        if self.first_ticket is None:
            return None
        return {"first": self.first_ticket, "last": self.first_ticket + self.quantity - 1, "count": self.quantity}

    @property
    def payment(self) -> "Payment":
        """The newest payment attempt. Cost: one query. Raises Payment.DoesNotExist for a free entry."""
        return self.payments.latest("attempt")


class LapseWait(models.Model):
    """How long a person waits before they can hold tickets again, by how many of their holds lapsed within a day.

    The row with the most lapses that the person has reached applies, from the newest lapse on. The trigger
    wait_after_lapses (purchases/sql) reads it.
    """

    lapses = models.PositiveSmallIntegerField("unpaid holds within a day", primary_key=True)
    wait = models.DurationField("wait before the next hold", help_text="Hours:minutes:seconds.")

    class Meta:
        ordering = ["lapses"]
        verbose_name = "wait after unpaid holds"
        verbose_name_plural = "waits after unpaid holds"

    def __str__(self) -> str:
        holds = ngettext("%d unpaid hold", "%d unpaid holds", self.lapses) % self.lapses
        return f"{holds}: {self.wait}"


class Payment(models.Model):
    """One attempt to pay for a purchase: one PaymentIntent at Stripe, made under its own idempotency key.

    A decline does not end an attempt: its intent can be paid with another card. The next attempt begins if an intent
    was never made, or was cancelled while the tickets were still held.
    """

    class Status(models.TextChoices):
        STARTED = "started", "Started"  # stored before Stripe is called; the intent may or may not exist yet
        OPEN = "open", "Open"  # the intent exists, the buyer may pay
        PROCESSING = "processing", "Processing"  # paid by a method whose bank takes days to answer
        SUCCEEDED = "succeeded", "Succeeded"  # Stripe has the money
        CANCELED = "canceled", "Canceled"  # the intent can never succeed
        FAILED = "failed", "Failed"  # the intent was never made, or nobody was told its secret

    LIVE: ClassVar[list[str]] = ["started", "open", "processing"]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # A constraint's index serves lookups by purchase.
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="payments", db_index=False)
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.STARTED)
    intent_id = models.CharField("payment intent", max_length=255, null=True)  # noqa: DJ001 unique, so unknown is null
    client_secret = models.CharField(max_length=255, blank=True)
    customer = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        help_text="Stripe's id of the customer of this payment intent. A buyer can have several.",
    )
    # Since when a request has been waiting for Stripe to make the intent; it keeps a second one away for a while.
    calling_since = models.DateTimeField("waiting for Stripe since", null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = UpdatedAtField()

    class Meta:
        ordering = ["attempt"]
        constraints = [
            models.UniqueConstraint(fields=["purchase", "attempt"], name="payment_attempt"),
            # Not `unique=True`, which makes a second index for LIKE.
            models.UniqueConstraint(fields=["intent_id"], name="payment_intent_once"),
            models.UniqueConstraint(
                fields=["purchase"],
                condition=Q(status__in=["started", "open", "processing"]),
                name="payment_one_live_attempt",
            ),
        ]

    def __str__(self) -> str:
        intent = self.intent_id or "no payment intent yet"
        return f"Attempt {self.attempt}, {intent}: {self.get_status_display().lower()}"

    @property
    def idempotency_key(self) -> str:
        """The key that makes creating the intent safe to repeat; it follows from the row, which is stored first."""
        return f"luxewin-purchase-{self.purchase_id}-{self.attempt}"


class Refund(Claimable):
    """The refund of one payment: all that is left of its money when Stripe is asked."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "Requested"  # decided; Stripe was not asked yet or did not answer
        WAITING = (
            "waiting",
            "Waiting for a dispute",
        )  # Stripe refunds nothing while the cardholder's bank has the case
        PENDING = "pending", "Pending"  # Stripe is processing it
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"  # Stripe refused, or the bank returned it; finance reviews it
        CLOSED = "closed", "Closed"  # nothing is left to refund: a lost dispute, a refund by hand or a void took it

    OPEN: ClassVar[list[str]] = ["requested", "pending"]
    DONE: ClassVar[list[str]] = ["succeeded", "closed"]
    # Stripe is not processing these.
    UNSENT: ClassVar[list[str]] = ["requested", "waiting", "failed"]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.OneToOneField(Payment, models.PROTECT, related_name="refund")
    amount = models.PositiveBigIntegerField()
    reason = LineField(max_length=200)
    attempt = models.PositiveSmallIntegerField(default=1)
    spent_keys = models.PositiveIntegerField(
        default=0, help_text="How many idempotency keys of this attempt Stripe answers with a failure of its own."
    )
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.REQUESTED)
    stripe_id = models.CharField(max_length=255, unique=True, null=True)  # noqa: DJ001 unique, so unknown is null
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = UpdatedAtField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount__gte=1), name="refund_amount")]
        indexes = [
            models.Index(fields=["claimed_until"], condition=Q(status__in=["requested", "pending"]), name="refund_open")
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id or 'Not sent to Stripe yet'}: {self.get_status_display().lower()}"

    @property
    def idempotency_key(self) -> str:
        """The key that makes the request safe to repeat; a failed refund that finance tries again gets another.

        So does a request after Stripe itself failed, because it repeats that answer for the same key.
        """
        spent = f"-{self.spent_keys}" if self.spent_keys else ""
        return f"luxewin-refund-{self.id}-{self.attempt}{spent}"


class Dispute(models.Model):
    """A cardholder's claim with their bank against one payment, as Stripe has it."""

    # Final: Stripe sends no further status.
    CLOSED: ClassVar[list[str]] = ["won", "lost", "warning_closed", "prevented"]
    # The charge cannot be refunded meanwhile; during a bank's inquiry (`warning_…`) it can.
    BLOCKING: ClassVar[list[str]] = ["needs_response", "under_review"]

    stripe_id = models.CharField(max_length=255, primary_key=True)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="disputes")
    status = models.CharField(max_length=40, help_text="As in Stripe, for example needs_response, won or lost.")
    reason = models.CharField(max_length=80)
    amount = models.PositiveBigIntegerField(help_text="In the unit that Stripe uses: 500 is 5.00 GBP.")
    currency = models.CharField(max_length=3)
    opened_at = models.DateTimeField()
    updated_at = UpdatedAtField()

    class Meta:
        ordering = ["-opened_at"]

    def __str__(self) -> str:
        return f"{self.stripe_id}: {self.status}"


class PostalEntry(models.Model):
    """The letter behind a free entry."""

    purchase = models.OneToOneField(Purchase, models.PROTECT, primary_key=True, related_name="postal_entry")
    raffle = models.ForeignKey(Raffle, models.PROTECT, related_name="+")
    reference = LineField(
        max_length=64, help_text="What staff wrote on the letter. Each raffle takes a reference only once."
    )
    received_on = models.DateField()
    entered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="added by")
    created_at = models.DateTimeField("added at", db_default=Now())

    class Meta:
        verbose_name = "free entry"
        verbose_name_plural = "free entries"
        constraints = [models.UniqueConstraint(fields=["raffle", "reference"], name="postal_reference_once")]

    def __str__(self) -> str:
        return self.reference


class SkillAttempt(models.Model):
    """A person's answer to a raffle's question, right or wrong."""

    raffle = models.ForeignKey(Raffle, models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    answer = models.CharField(max_length=200)
    correct = models.BooleanField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        verbose_name = "answer to a skill question"
        verbose_name_plural = "answers to skill questions"
        indexes = [models.Index(fields=["raffle", "user"], name="skill_raffle_user")]

    def __str__(self) -> str:
        # Not the answer: page titles are seen by staff who must not know the right one.
        return f"{self.at:%Y-%m-%d %H:%M:%S}, {'right' if self.correct else 'wrong'}"


class CustomerChange(Claimable):
    """A note that the person's address changed and their Stripe customer is not updated yet.

    A trigger on the table of people writes it (purchases/sql/note_customer_change.sql), so that no change of an address
    is missed.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    noted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id} changed at {self.noted_at:%Y-%m-%d %H:%M:%S}"


class StripeNotice(Claimable):
    """A receiver's note that Stripe has news of an object that was not looked at since; it survives any crash."""

    class About(models.TextChoices):
        INTENT = "payment_intent", "Payment intent"
        REFUND = "refund", "Refund"
        DISPUTE = "dispute", "Dispute"

    object_id = models.CharField(max_length=255, primary_key=True)
    about = models.CharField(max_length=14, choices=About.choices)
    noted_at = models.DateTimeField(help_text="When the newest event about it came.")

    class Meta:
        indexes = [models.Index(fields=["claimed_until"], name="notice_due")]

    def __str__(self) -> str:
        return f"news of {self.object_id}"


class StaleMirror(Claimable):
    """A note that an object changed at Stripe and dj-stripe's record of it is not up to date yet."""

    object_id = models.CharField(max_length=255, primary_key=True)
    about = models.CharField("kind", max_length=14, choices=StripeNotice.About.choices)
    noted_at = models.DateTimeField("changed at", help_text="When we learned of its newest change.")
    due_at = models.DateTimeField("next try at")
    tries = models.PositiveIntegerField("failed tries in a row", default=0)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "Stripe record waiting to update"
        verbose_name_plural = "Stripe records waiting to update"
        indexes = [models.Index(fields=["due_at"], name="mirror_due")]

    def __str__(self) -> str:
        return f"Stripe record of {self.object_id}"


class UnstoredEvent(Claimable):
    """A Stripe event that could not be stored: kept and tried again, while later events go on."""

    event_id = models.CharField(max_length=255, primary_key=True)
    type = models.CharField(max_length=250)
    content = models.TextField(help_text="JSON, kept as text: the database cannot store some events as JSON.")
    made_at = models.DateTimeField("created by Stripe at")
    noted_at = models.DateTimeField("received at", db_default=Now())
    tries = models.PositiveIntegerField("failed tries", default=1)
    error = models.CharField(max_length=300)

    class Meta:
        ordering = ["-made_at"]
        verbose_name = "Stripe event that failed"
        verbose_name_plural = "Stripe events that failed"
        indexes = [models.Index(fields=["claimed_until"], name="unstored_due")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class SetAsideEvent(models.Model):
    """An event of Stripe's that we do not handle: of another type or account, or about nothing that has an id.

    It has no effect. It is kept for a while, to see what an endpoint at Stripe is subscribed to.
    """

    event_id = models.CharField(max_length=255, primary_key=True)
    type = models.CharField(max_length=250)
    account = models.CharField(
        "Stripe account", max_length=255, blank=True, help_text="The other account's id; empty if it is our own."
    )
    content = models.TextField(help_text="JSON, without personal details of the payer.")
    noted_at = models.DateTimeField("received at", db_default=Now())

    class Meta:
        ordering = ["-noted_at"]
        verbose_name = "ignored Stripe event"
        verbose_name_plural = "ignored Stripe events"

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class StripeWatch(Claimable):
    """How far we have read Stripe's events, and when the books were last compared: one row."""

    events_until = models.DateTimeField(help_text="Every event that Stripe created before is stored or being retried.")
    compared_at = models.DateTimeField(help_text="When the newest check was requested.")

    def __str__(self) -> str:
        return f"events until {self.events_until}"


class Reconciliation(Claimable):
    """One comparison of our books with Stripe's, done one stretch of time after another."""

    since = models.DateTimeField("from")
    until = models.DateTimeField("to")
    reached = models.DateTimeField("compared up to")
    finished_at = models.DateTimeField(null=True)
    compared = models.PositiveIntegerField("records compared", default=0)
    repaired = models.PositiveIntegerField("differences repaired", default=0)
    remaining = models.JSONField("open differences", default=list, help_text="One line per difference.")

    class Meta:
        ordering = ["-id"]
        verbose_name = "Stripe check"
        verbose_name_plural = "Stripe checks"

    def __str__(self) -> str:
        count = len(self.remaining)
        left = ngettext("%d open difference", "%d open differences", count) % count
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}: {left}"


class SettledDifference(models.Model):
    """A difference that finance dealt with in another way: comparisons do not report it again unless it changes."""

    text = models.CharField("difference", max_length=400, unique=True, help_text="As a Stripe check describes it.")
    reason = LineField(max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-at"]
        verbose_name = "difference dealt with"
        verbose_name_plural = "differences dealt with"

    def __str__(self) -> str:
        return self.text


class ReceiptCounter(models.Model):
    """The last number of a year's payment receipts. Its row is locked by whoever takes the next one."""

    year = models.PositiveSmallIntegerField(primary_key=True)
    last = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.last} in {self.year}"


class PaymentReceipt(models.Model):
    """The receipt for the money of a purchase, numbered without a gap within the year of its issue (UTC).

    It states the tax as the settings had it then. A row is never changed or deleted
    (purchases/sql/payment_receipts_are_kept.sql). The proof of entry is another thing: `purchases.receipts`.
    """

    purchase = models.OneToOneField(Purchase, models.PROTECT, primary_key=True, related_name="payment_receipt")
    year = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    tax_name = models.CharField(max_length=40, blank=True)
    tax_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    tax_amount = models.PositiveBigIntegerField(null=True, help_text="Within the amount, in the unit that Stripe uses.")
    issued_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["year", "number"], name="payment_receipt_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.year}-{self.number:06d}"
