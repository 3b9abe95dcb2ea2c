"""Queries for purchases."""

from datetime import UTC, timedelta
from typing import Any, Self

from django.db.models import Count, DateTimeField, ExpressionWrapper, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Now, TruncMonth

from purchases import outcomes, receipts


class PurchaseQuerySet(QuerySet[Any]):
    """Purchases; the methods chain."""

    def for_display(self) -> Self:
        """Read all that a list shows, in one query; `client_secret` is null unless it can be paid right now."""
        payable = self.model.payments.rel.related_model.objects.filter(
            purchase=OuterRef("pk"), purchase__status=self.model.Status.PENDING, status="open"
        )
        secret = Subquery(payable.values("client_secret")[:1])
        return self.select_related("raffle").annotate(client_secret=secret, **receipts.SOURCE.columns)

    def for_buyer(self) -> Self:
        """Read what its buyer sees, in two queries: also the raffle's phase, and what the purchase won."""
        from raffles.models import Raffle

        raffles = Prefetch("raffle", Raffle.objects.with_phase())
        shown = self.for_display().select_related(None).prefetch_related(raffles)
        return shown.annotate(won=outcomes.SOURCE.won, prizes=outcomes.SOURCE.prizes)

    def holding(self) -> Self:
        """Filter purchases that hold tickets and wait for money."""
        return self.filter(status__in=self.model.HOLDING)

    def paid(self) -> Self:
        """Filter purchases that own tickets and take part in a draw."""
        return self.filter(status=self.model.Status.PAID)

    def of_this_month(self) -> Self:
        """Filter purchases that a spend limit counts: made this calendar month (UTC), neither released nor refunded."""
        return self.of_month(Now())

    def of_month(self, moment: Any) -> Self:
        """Filter like `of_this_month`, for the month of `moment`, an expression.

        The month is in UTC for everybody, so moving or changing the time zone does not begin another month.
        """
        moment = ExpressionWrapper(moment, output_field=DateTimeField())
        begun = TruncMonth(moment, tzinfo=UTC)
        next_begins = TruncMonth(
            ExpressionWrapper(begun + timedelta(days=32), output_field=DateTimeField()), tzinfo=UTC
        )
        counted = [*self.model.HOLDING, self.model.Status.PAID]
        return self.filter(status__in=counted, created_at__gte=begun, created_at__lt=next_begins)

    def overdue(self) -> Self:
        """Filter purchases that hold tickets beyond their time."""
        return self.holding().filter(expires_at__lte=Now())

    def entries(self) -> "QuerySet[Any, Any]":
        """Read paid purchases as entries of a draw, by first ticket: (entry_id, first_ticket, quantity, holder)."""
        return self.paid().order_by("first_ticket").values_list("entry_id", "first_ticket", "quantity", "holder")

    def totals_of_buyer(self) -> dict[str, Any]:
        """Return sums over the paid ones: `purchases`, `tickets`, `raffles`, `won`, and `spent` by currency."""
        paid = self.paid().order_by()
        won = Count("pk", filter=Q(outcomes.SOURCE.won, raffle__drawn_at__isnull=False))
        sums = paid.aggregate(
            purchases=Count("pk"), tickets=Sum("quantity", default=0), raffles=Count("raffle", distinct=True), won=won
        )
        spent = paid.filter(amount__gt=0).values("currency").annotate(amount=Sum("amount")).order_by("currency")
        return sums | {"spent": list(spent)}

    def totals(self) -> dict[str, int]:
        """Return `purchases`, `tickets` and `amount` of these purchases."""
        sums = self.aggregate(purchases=Count("pk"), tickets=Sum("quantity"), amount=Sum("amount"))
        return {name: value or 0 for name, value in sums.items()}
