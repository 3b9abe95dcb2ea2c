"""Filters of a person's purchases."""

import django_filters
from django.db.models import Q, TextChoices

from purchases.models import Purchase
from purchases.querysets import PurchaseQuerySet
from raffles.models import Raffle


class Outcome(TextChoices):
    """What became of an entry in its draw."""

    WON = "won", "Won"  # holds a prize
    LOST = "lost", "Not won"  # the draw is over; an alternate may still step up
    OPEN = "open", "Not drawn yet"


class PurchaseFilter(django_filters.FilterSet):
    """`?status=paid&status=pending&raffle=a-fine-watch&outcome=won`."""

    status = django_filters.MultipleChoiceFilter(choices=Purchase.Status.choices)
    raffle = django_filters.CharFilter(method="of_raffle", max_length=80, help_text="Id or slug.")
    outcome = django_filters.ChoiceFilter(
        choices=Outcome.choices, method="by_outcome", help_text="Of paid purchases, which alone are in a draw."
    )

    class Meta:
        model = Purchase
        fields: list[str] = []

    def of_raffle(self, purchases: PurchaseQuerySet, name: str, raffle: str) -> PurchaseQuerySet:
        """Keep those of the raffle with this id or slug; none for any other text."""
        return purchases.filter(raffle__in=Raffle.objects.public().named(raffle))

    def by_outcome(self, purchases: PurchaseQuerySet, name: str, outcome: str) -> PurchaseQuerySet:
        """Keep those with this outcome, of rows read `for_buyer`."""
        is_drawn = Q(raffle__drawn_at__isnull=False)
        fits = {
            Outcome.WON: is_drawn & Q(won=True),
            Outcome.LOST: is_drawn & Q(won=False),
            Outcome.OPEN: ~is_drawn,
        }
        return purchases.paid().filter(fits[Outcome(outcome)])
