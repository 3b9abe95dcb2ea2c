"""Purchases and their money in the back office: to read, to send back, to end a review."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.permissions import signed_in
from luxewin.api.problems import Problem
from luxewin.money import as_text
from luxewin.tasks.admin import ReadOnlyAdmin
from purchases import services
from purchases.admin.reasons import reasoned
from purchases.models import Dispute, Payment, Purchase, Reconciliation, Refund


class ReadOnlyInline(admin.TabularInline):
    """Shown on the purchase's page."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class PaymentInline(ReadOnlyInline):
    """The money's side: each attempt, what went back of it, who disputes it."""

    model = Payment
    # Not the client secret: whoever has it can act as the buyer.
    fields = ("attempt", "status", "intent_id", "created_at", "updated_at", "went_back", "disputes")
    readonly_fields = fields

    @admin.display(description="refund")
    def went_back(self, payment: Payment) -> str:
        """Its refund."""
        refund = Refund.objects.filter(payment=payment).first()
        if refund is None:
            return "-"
        price = as_text(refund.amount, payment.purchase.currency)
        return f"{price}, {refund.get_status_display()}: {refund.reason} {refund.error}"

    @admin.display
    def disputes(self, payment: Payment) -> str:
        """Its disputes."""
        return "; ".join(f"{dispute}, {dispute.reason}" for dispute in payment.disputes.all()) or "-"


class AttentionFilter(admin.SimpleListFilter):
    """What finance looks for."""

    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One at a time."""
        return [
            ("review", "In review"),
            ("flagged", "Flagged"),
            ("disputed", "Disputed"),
            ("refund_failed", "Refund failed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Purchase]) -> QuerySet[Purchase] | None:
        """Those."""
        chosen: dict[str | None, dict[str, Any]] = {
            "review": {"status": Purchase.Status.REVIEW},
            "flagged": {"review_evidence__isnull": False},
            "disputed": {"disputed_at__isnull": False},
            "refund_failed": {"pk__in": Refund.objects.filter(status="failed").values("payment__purchase")},
        }
        return queryset.filter(**chosen[self.value()]) if self.value() in chosen else None


def _refund(purchase: Purchase, reason: str, actor: User) -> str:
    services.request_refund(purchase.pk, reason=reason, actor=actor)
    return f"Refund of {purchase.pk} is under way."


def _void(purchase: Purchase, reason: str, actor: User) -> str:
    services.void_purchase(purchase.pk, reason=reason, actor=actor)
    return f"{purchase.pk} is out of its raffle."


def _resolve(purchase: Purchase, reason: str, actor: User) -> str:
    refunds = services.resolve_review(purchase.pk, reason=reason, actor=actor)
    return f"{purchase.pk}: {sum(refund.amount for refund in refunds)} (minor units) on the way back."


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = ["created_at", "raffle", "buyer", "quantity", "price", "status", "first_ticket", "route", "disputed"]
    list_filter = [AttentionFilter, "status", "route", "currency"]
    search_fields = ["id", "entry_id", "buyer__email", "raffle__title", "payments__intent_id"]
    list_select_related = ["raffle", "buyer"]
    date_hierarchy = "created_at"
    exclude = ["request_digest", "amount", "currency"]
    readonly_fields = ["price"]
    inlines = [PaymentInline]
    actions = [
        reasoned("refund", "Refund in full", _refund, permission="refund"),
        reasoned("void", "Take out of the raffle without money (dispute lost)", _void, permission="refund"),
        reasoned("resolve", "End the review: send back what came", _resolve, permission="refund"),
    ]
    show_full_result_count = False

    @admin.display(description="amount", ordering="amount")
    def price(self, purchase: Purchase) -> str:
        """With its currency."""
        return as_text(purchase.amount, purchase.currency)

    @admin.display(boolean=True, ordering="disputed_at")
    def disputed(self, purchase: Purchase) -> bool:
        """By the cardholder."""
        return purchase.disputed_at is not None

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Attempts to pay, newest first."""

    list_display = ["created_at", "purchase_id", "buyer", "price", "status", "attempt", "intent_id"]
    list_filter = ["status", "purchase__currency"]
    search_fields = ["intent_id", "purchase__id", "purchase__buyer__email"]
    list_select_related = ["purchase__buyer"]
    ordering = ["-id"]
    date_hierarchy = "created_at"
    exclude = ["client_secret"]
    show_full_result_count = False

    @admin.display(ordering="purchase__buyer__email")
    def buyer(self, payment: Payment) -> str:
        """By address."""
        return payment.purchase.buyer.email

    @admin.display(description="amount", ordering="purchase__amount")
    def price(self, payment: Payment) -> str:
        """What it was to bring."""
        return as_text(payment.purchase.amount, payment.purchase.currency)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """What goes back, and how far it is."""

    list_display = ["created_at", "purchase", "price", "reason", "status", "attempt", "stripe_id", "error"]
    list_filter = ["status", "payment__purchase__currency"]
    search_fields = ["payment__purchase__id", "payment__purchase__buyer__email", "payment__intent_id", "stripe_id"]
    list_select_related = ["payment__purchase"]
    ordering = ["-id"]
    date_hierarchy = "created_at"
    actions = ["retry"]
    show_full_result_count = False

    @admin.display
    def purchase(self, refund: Refund) -> str:
        """Whose money it is."""
        return str(refund.payment.purchase_id)

    @admin.display(description="amount", ordering="amount")
    def price(self, refund: Refund) -> str:
        """In the purchase's currency."""
        return as_text(refund.amount, refund.payment.purchase.currency)

    @admin.action(description="Try the selected refunds again", permissions=["refund"])
    def retry(self, request: HttpRequest, refunds: QuerySet[Refund]) -> None:
        """One by one; what did not fail says so."""
        for refund in refunds:
            try:
                services.retry_refund(refund.pk, actor=signed_in(request))
                self.message_user(request, f"{refund.pk} is tried again.", messages.SUCCESS)
            except Problem as problem:
                self.message_user(request, f"{refund.pk}: {problem.detail}", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """Cardholders' claims. They are answered in Stripe's dashboard; once lost, the purchase can be taken out."""

    list_display = ["opened_at", "stripe_id", "purchase", "price", "status", "reason", "updated_at"]
    list_filter = ["status", "reason"]
    search_fields = ["stripe_id", "payment__intent_id", "payment__purchase__id", "payment__purchase__buyer__email"]
    list_select_related = ["payment"]
    date_hierarchy = "opened_at"
    show_full_result_count = False

    @admin.display
    def purchase(self, dispute: Dispute) -> str:
        """Which is flagged."""
        return str(dispute.payment.purchase_id)

    @admin.display(description="amount", ordering="amount")
    def price(self, dispute: Dispute) -> str:
        """With its currency."""
        return as_text(dispute.amount, dispute.currency)


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """The daily comparisons with Stripe, and what they left."""

    list_display = ["until", "since", "finished_at", "compared", "repaired", "left"]
    exclude = ["claimed_until"]

    @admin.display(description="differences left")
    def left(self, run: Reconciliation) -> int:
        """To be looked at by a person."""
        return len(run.remaining)
