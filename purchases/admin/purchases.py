"""Purchases in the back office: to read, and to refund."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.permissions import signed_in
from luxewin.api.problems import Problem
from luxewin.money import as_text
from luxewin.tasks.admin import ReadOnlyAdmin
from purchases import services
from purchases.models import Payment, Purchase, Refund


class ReadOnlyInline(admin.StackedInline):
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
    """The money's side."""

    model = Payment
    # Whoever has the client secret can act as the buyer.
    exclude = ["client_secret"]


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = [
        "created_at",
        "raffle",
        "buyer",
        "quantity",
        "amount",
        "currency",
        "status",
        "first_ticket",
        "route",
    ]
    list_filter = ["status", "route", "currency"]
    search_fields = ["id", "entry_id", "buyer__email", "raffle__title", "payments__intent_id"]
    list_select_related = ["raffle", "buyer"]
    date_hierarchy = "created_at"
    exclude = ["request_digest"]
    inlines = [PaymentInline]
    actions = ["refund"]
    show_full_result_count = False

    @admin.display(description="amount", ordering="amount")
    def price(self, purchase: Purchase) -> str:
        """With its currency."""
        return as_text(purchase.amount, purchase.currency)

    @admin.action(description="Refund the selected purchases in full", permissions=["refund"])
    def refund(self, request: HttpRequest, purchases: QuerySet[Purchase]) -> None:
        """One by one; what cannot be refunded says why."""
        for purchase in purchases:
            try:
                services.request_refund(purchase.pk, reason="Refunded by our staff.", actor=signed_in(request))
                self.message_user(request, f"Refund of {purchase.pk} is under way.", messages.SUCCESS)
            except Problem as problem:
                self.message_user(request, f"{purchase.pk}: {problem.detail}", messages.ERROR)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Finance."""
        return request.user.has_perm("purchases.refund_purchase")


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """What goes back, and how far it is."""

    list_display = ["created_at", "payment", "amount", "reason", "status", "stripe_id", "error"]
    list_filter = ["status"]
    search_fields = ["payment__purchase__id", "stripe_id"]
    list_select_related = ["payment"]
