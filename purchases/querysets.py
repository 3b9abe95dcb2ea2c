"""Reads of purchases."""

from datetime import UTC
from typing import Any, Self

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Now, TruncMonth


class PurchaseQuerySet(QuerySet[Any]):
    """Purchases; chain these."""

    def for_display(self) -> Self:
        """All that a list shows, in one query; `client_secret` is null unless it can be paid right now."""
        payable = self.model.payments.rel.related_model.objects.filter(
            purchase=OuterRef("pk"), purchase__status=self.model.Status.PENDING, status="open"
        )
        return self.select_related("raffle").annotate(client_secret=Subquery(payable.values("client_secret")[:1]))

    def holding(self) -> Self:
        """Holding tickets, waiting for money."""
        return self.filter(status__in=self.model.HOLDING)

    def paid(self) -> Self:
        """Owning tickets: what takes part in a draw."""
        return self.filter(status=self.model.Status.PAID)

    def of_this_month(self) -> Self:
        """Held in this calendar month (UTC), and neither released nor on their way back: what a spend limit counts."""
        begun = TruncMonth(Now(), tzinfo=UTC)
        return self.filter(status__in=[*self.model.HOLDING, self.model.Status.PAID], created_at__gte=begun)

    def overdue(self) -> Self:
        """Holding tickets beyond their time."""
        return self.holding().filter(expires_at__lte=Now())

    def entries(self) -> "QuerySet[Any, Any]":
        """The paid purchases as entries of a draw, by first ticket; (entry_id, first_ticket, quantity) of each."""
        return self.paid().order_by("first_ticket").values_list("entry_id", "first_ticket", "quantity")

    def totals(self) -> dict[str, int]:
        """`purchases`, `tickets` and `amount` of these purchases."""
        sums = self.aggregate(purchases=Count("pk"), tickets=Sum("quantity"), amount=Sum("amount"))
        return {name: value or 0 for name, value in sums.items()}
