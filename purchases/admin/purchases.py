"""Purchases and their money in the back office: read, refund, end a review."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.http import HttpRequest
from django.utils.html import format_html_join

from accounts.admin_actions import reasoned
from accounts.back_office.filters import MonthFilter, known
from accounts.back_office.forms import KEPT, Line
from accounts.models import User
from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.api.problems import Problem
from luxewin.desk import concern
from purchases import services
from purchases.admin.labels import link, numbers, price, price_of, purchase_label
from purchases.models import Dispute, Payment, Purchase, Reconciliation, Refund, SettledDifference
from raffles.models import Raffle

# Stripe's statuses.
DISPUTE_STATUSES = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
    "prevented",
)
DISPUTE_REASONS = (
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)


def currencies() -> list[str]:
    """List the currencies of raffles, which are far fewer than purchases."""
    return list(Raffle.objects.order_by("currency").values_list("currency", flat=True).distinct())


class ReadOnlyInline(admin.TabularInline):
    """Rows on the purchase's page."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False


class PaymentInline(ReadOnlyInline):
    """Payment attempts, with their refunds and disputes."""

    model = Payment
    # Not the client secret, with which anyone can act as the buyer.
    fields = ("attempt", "status", "intent_id", "created_at", "updated_at", "went_back", "disputes")
    readonly_fields = fields
    show_change_link = True

    @admin.display(description="refund")
    def went_back(self, payment: Payment) -> str:
        """The refund of the payment."""
        refund = Refund.objects.filter(payment=payment).first()
        if refund is None:
            return "-"
        state = f"{refund.get_status_display()} ({refund.error})" if refund.error else refund.get_status_display()
        return f"{price(refund.amount, payment.purchase.currency)}: {state}. Reason: {refund.reason}"

    @admin.display
    def disputes(self, payment: Payment) -> str:
        """The disputes of the payment."""
        each = (
            f"{price(dispute.amount, dispute.currency)}: {dispute.status}, {dispute.reason} ({dispute.stripe_id})"
            for dispute in payment.disputes.all()
        )
        return "; ".join(each) or "-"


class AttentionFilter(admin.SimpleListFilter):
    """Filter for what finance has to look at."""

    title = "needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """List the kinds, of which one is chosen at a time."""
        return [
            ("review", "In review"),
            ("flagged", "Flagged"),
            ("disputed", "Disputed"),
            ("refund_failed", "Refund failed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Purchase]) -> QuerySet[Purchase] | None:
        """Filter purchases of the chosen kind."""
        chosen: dict[str | None, dict[str, Any]] = {
            "review": {"status": Purchase.Status.REVIEW},
            "flagged": {"review_evidence__isnull": False},
            "disputed": {"needs_answer": True},
            "refund_failed": {"pk__in": Refund.objects.filter(status="failed").values("payment__purchase")},
        }
        return queryset.filter(**chosen[self.value()]) if self.value() in chosen else None


def _refund(purchase: Purchase, reason: str, actor: User) -> str:
    services.request_refund(purchase.pk, reason=reason, actor=actor)
    return f"Being refunded: {purchase_label(purchase)}."


def _void(purchase: Purchase, reason: str, actor: User) -> str:
    services.void_purchase(purchase.pk, reason=reason, actor=actor)
    return f"Withdrawn without refund: {purchase_label(purchase)}."


def _resolve(purchase: Purchase, reason: str, actor: User) -> str:
    refunds = services.resolve_review(purchase.pk, reason=reason, actor=actor)
    sent = price(sum(refund.amount for refund in refunds), purchase.currency)
    return f"Rejected, {sent} is being refunded: {purchase_label(purchase)}."


concern("purchase in review", "purchases in review", "purchases.purchase", attention="review")
concern("purchase flagged", "purchases flagged", "purchases.purchase", attention="flagged")
concern("purchase disputed", "purchases disputed", "purchases.purchase", attention="disputed")
concern("refund that failed", "refunds that failed", "purchases.refund", status__exact="failed")


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Purchases, newest first."""

    list_display = ["created_at", "state", "price", "tickets", "buyer", "title"]
    list_filter = [AttentionFilter, "status", "route", ("currency", known(currencies)), ("created_at", MonthFilter)]
    search_fields = ["id", "entry_id", "buyer__email", "raffle__title", "payments__intent_id__exact"]
    search_help_text = "A whole id (of a purchase, entry or payment) or e-mail address, or part of a raffle's title."
    list_select_related = ["raffle", "buyer"]
    fieldsets = [
        (None, {"fields": ["raffle", "buyer", "route", "tickets", "price", "state", "evidence", "likely_doubles"]}),
        ("Times (UTC)", {"fields": ["created_at", "expires_at", "paid_at", "disputed_at"]}),
        ("Ids", {"fields": ["id", "entry_id", "idempotency_key"]}),
    ]
    readonly_fields = ["tickets", "price", "state", "evidence", "likely_doubles", "id", "entry_id"]
    inlines = [PaymentInline]
    actions = [
        reasoned("refund", "Refund in full", _refund, permission="refund", label=purchase_label),
        reasoned(
            "void",
            "Withdraw without refund",
            _void,
            permission="refund",
            label=purchase_label,
            means=(
                "Only for a purchase whose money has already gone back, by a lost dispute or a refund made in Stripe, "
                "and for a free entry. It leaves the raffle."
            ),
        ),
        reasoned(
            "resolve",
            "Reject and refund",
            _resolve,
            permission="refund",
            label=purchase_label,
            means="Only for money that does not match its purchase. All of that money is refunded.",
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Purchase]:
        """Add whether a refund failed, and whether a dispute needs finance. Cost: one query."""
        failed = Refund.objects.filter(payment__purchase=OuterRef("pk"), status=Refund.Status.FAILED)
        disputes = Dispute.objects.filter(payment__purchase=OuterRef("pk"))
        # A lost dispute needs finance only while the purchase can still be taken out of its raffle.
        can_leave = Q(status=Purchase.Status.PAID, raffle__frozen_at=None)
        needs_answer = Q(Exists(disputes.exclude(status__in=Dispute.CLOSED))) | (
            can_leave & Q(Exists(disputes.filter(status="lost")))
        )
        purchases: QuerySet[Purchase] = super().get_queryset(request)
        return purchases.annotate(
            refund_failed=Exists(failed),
            needs_answer=Case(When(Q(disputed_at=None), then=False), When(needs_answer, then=True), default=False),
        )

    @admin.display(description="amount", ordering="amount")
    def price(self, purchase: Purchase) -> str:
        """The amount with its currency."""
        return price_of(purchase)

    @admin.display(description="status", ordering="status")
    def state(self, purchase: Purchase) -> str:
        """The status, with what finance has to look at."""
        notes = {"disputed": "needs_answer", "refund failed": "refund_failed"}
        held = [note for note, name in notes.items() if getattr(purchase, name, False)]
        return ", ".join([purchase.get_status_display(), *held])

    @admin.display(ordering="quantity")
    def tickets(self, purchase: Purchase) -> str:
        """How many tickets, and which."""
        return numbers(purchase)

    @admin.display(description="raffle", ordering="raffle__title")
    def title(self, purchase: Purchase) -> str:
        """The raffle's title; a long one breaks into lines, which the list does not do for a related row."""
        return purchase.raffle.title

    @admin.display(description="why it is in review")
    def evidence(self, purchase: Purchase) -> Any:
        """The faults, what Stripe received, and refunds made by hand."""
        found = purchase.review_evidence or {}
        lines = list(found.get("faults", []))
        if intent := found.get("intent"):
            came = price(intent["amount_received"], intent["currency"])
            lines.append(f"{came} was paid by {intent['customer']} with {intent['id']}")
        by_hand = found.get("refunds", {}).items()
        lines += [f"{price(amount, purchase.currency)} was refunded in Stripe by {key}" for key, amount in by_hand]
        return format_html_join("", "<div>{}</div>", ([line] for line in lines)) or "-"

    @admin.display(description="excluded people who used the same card")
    def likely_doubles(self, purchase: Purchase) -> Any:
        """Excluded people who may be the buyer under another account."""
        lines = [person.email for person in services.excluded_people_with_same_card(purchase)]
        if services.is_card_of_erased_excluded_person(purchase):
            lines.append("A person whose account was deleted")
        return format_html_join("", "<div>{}</div>", ([line] for line in lines)) or "-"

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether the user is finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Attempts to pay, newest first."""

    list_display = ["created_at", "status", "price", "buyer", "of", "attempt", "intent_id"]
    list_filter = ["status", ("purchase__currency", known(currencies)), ("created_at", MonthFilter)]
    search_fields = ["intent_id__exact", "purchase__id", "purchase__buyer__email"]
    list_select_related = ["purchase__buyer", "purchase__raffle"]
    fields = ["of", "buyer", "price", "status", "attempt", "intent_id", "calling_since", "created_at", "updated_at"]
    readonly_fields = ["of", "buyer", "price", "updated_at"]
    ordering = ["-id"]

    @admin.display(description="purchase", ordering="purchase__raffle__title")
    def of(self, payment: Payment) -> Any:
        """The purchase that it pays for."""
        return link(payment.purchase)

    @admin.display(ordering="purchase__buyer__email")
    def buyer(self, payment: Payment) -> str:
        """The buyer's address."""
        return payment.purchase.buyer.email

    @admin.display(description="amount due", ordering="purchase__amount")
    def price(self, payment: Payment) -> str:
        """The amount to be paid."""
        return price_of(payment.purchase)


class OfPaymentAdmin(ReadOnlyAdmin):
    """Refunds or disputes of payments, with purchase and buyer."""

    list_select_related = ["payment__purchase__buyer", "payment__purchase__raffle"]

    @admin.display(description="purchase", ordering="payment__purchase__raffle__title")
    def of(self, row: Refund | Dispute) -> Any:
        """The purchase that was paid."""
        return link(row.payment.purchase)

    @admin.display(ordering="payment__purchase__buyer__email")
    def buyer(self, row: Refund | Dispute) -> str:
        """The buyer's address."""
        return row.payment.purchase.buyer.email


@admin.register(Refund)
class RefundAdmin(OfPaymentAdmin):
    """Refunds and their progress."""

    list_display = ["created_at", "status", "price", "buyer", "of", "reason", "error"]
    list_filter = ["status", ("payment__purchase__currency", known(currencies)), ("created_at", MonthFilter)]
    search_fields = [
        "payment__purchase__id",
        "payment__purchase__buyer__email",
        "payment__intent_id__exact",
        "stripe_id__exact",
    ]
    fields = [
        "of",
        "buyer",
        "payment",
        "price",
        "reason",
        "status",
        "error",
        "attempt",
        "stripe_id",
        "created_at",
        "updated_at",
    ]
    readonly_fields = ["of", "buyer", "price", "updated_at"]
    ordering = ["-id"]
    actions = ["retry"]

    @admin.display(description="amount", ordering="amount")
    def price(self, refund: Refund) -> str:
        """The amount in the purchase's currency."""
        return price(refund.amount, refund.payment.purchase.currency)

    @admin.action(description="Try the selected refunds again", permissions=["refund"])
    def retry(self, request: HttpRequest, refunds: QuerySet[Refund]) -> None:
        """Retry refunds one by one; report those that did not fail."""
        for refund in refunds:
            told = f"{self.price(refund)} to {self.buyer(refund)}"
            try:
                services.retry_refund(refund.pk, actor=signed_in(request))
                self.message_user(request, f"{told}: trying the refund again.", messages.SUCCESS)
            except Problem as problem:
                self.message_user(request, f"{told}: {problem.detail}", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Whether the user is finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(Dispute)
class DisputeAdmin(OfPaymentAdmin):
    """Cardholders' disputes, answered in Stripe's dashboard; once lost, the purchase can be taken out."""

    list_display = ["opened_at", "status", "price", "buyer", "of", "reason", "stripe_id"]
    list_filter = [
        ("status", known(lambda: DISPUTE_STATUSES)),
        ("reason", known(lambda: DISPUTE_REASONS)),
        ("opened_at", MonthFilter),
    ]
    search_fields = [
        "payment__purchase__id",
        "payment__purchase__buyer__email",
        "payment__intent_id__exact",
        "stripe_id__exact",
    ]
    fields = ["of", "buyer", "payment", "price", "status", "reason", "stripe_id", "opened_at", "updated_at"]
    readonly_fields = ["of", "buyer", "price", "updated_at"]

    @admin.display(description="amount", ordering="amount")
    def price(self, dispute: Dispute) -> str:
        """The amount with its currency."""
        return price(dispute.amount, dispute.currency)


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """The daily comparisons with Stripe, and their open differences."""

    list_display = ["until", "since", "finished_at", "compared", "repaired", "left"]
    fields = ["since", "until", "reached", "finished_at", "compared", "repaired", "differences"]
    readonly_fields = ["differences"]

    @admin.display(description="open differences")
    def differences(self, run: Reconciliation) -> Any:
        """The open differences, one per line."""
        return format_html_join("", "<div>{}</div>", ([line] for line in run.remaining)) or "none"

    @admin.display(description="open differences")
    def left(self, run: Reconciliation) -> int:
        """How many differences a person has to look at."""
        return len(run.remaining)


class SettledDifferenceForm(forms.ModelForm):
    """One of the differences that the newest finished comparison left."""

    text = forms.ChoiceField(label="Difference")
    reason = Line(max_length=200, help_text=f"How you dealt with it. {KEPT}")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = Reconciliation.objects.exclude(finished_at=None).first()
        lines = dict.fromkeys(map(services.key_of, newest.remaining if newest else []))
        self.fields["text"].choices = [(line, line) for line in lines]  # type: ignore[attr-defined]


@admin.register(SettledDifference)
class SettledDifferenceAdmin(ReadOnlyAdmin):
    """Differences that finance dealt with in another way; comparisons with Stripe no longer report them."""

    form = SettledDifferenceForm
    list_display = ["at", "text", "reason", "by"]
    list_select_related = ["by"]
    fields = ["text", "reason"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the user is finance."""
        return request.user.has_perm("purchases.add_settleddifference")

    def save_model(self, request: HttpRequest, obj: SettledDifference, form: Any, change: bool) -> None:
        """Save through the service, which audits it."""
        settled = services.settle_difference(obj.text, reason=obj.reason, actor=signed_in(request))
        obj.pk = settled.pk
