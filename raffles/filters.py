"""Filters and order of lists of raffles."""

import django_filters
from django import forms

from luxewin.currencies import CURRENCIES
from raffles.models import MAX_PRICE, Raffle
from raffles.phases import Phase
from raffles.querysets import RaffleQuerySet
from raffles.search import holds, trigram_schema, words_of


class WholeNumberFilter(django_filters.NumberFilter):
    """A filter of whole numbers, as prices are."""

    field_class = forms.IntegerField


class RaffleFilter(django_filters.FilterSet):
    """`?phase=open&category=car&price_min=100&price_max=5000&search=porsche&order=closes_at&currency=gbp`."""

    #: The last two are of what is on sale.
    ORDERS = (
        "on_sale",
        "closes_at",
        "-closes_at",
        "ticket_price",
        "-ticket_price",
        "-published_at",
        "popular",
        "nearly_gone",
    )

    phase = django_filters.MultipleChoiceFilter(
        choices=[choice for choice in Phase.choices if choice[0] != Phase.DRAFT], method="by_phase"
    )
    category = django_filters.MultipleChoiceFilter(choices=Raffle.Category.choices)
    currency = django_filters.ChoiceFilter(
        choices=[(code, code) for code in CURRENCIES], help_text="Prices can be compared within one currency."
    )
    price_min = WholeNumberFilter("ticket_price", "gte", min_value=0, max_value=MAX_PRICE)
    price_max = WholeNumberFilter("ticket_price", "lte", min_value=0, max_value=MAX_PRICE)
    search = django_filters.CharFilter(
        method="by_text",
        max_length=80,
        help_text="Words or parts of words of the title, the description or prizes' names, in any order; accents and "
        "case do not matter. A word of four letters and more that no raffle has finds words like it in titles and "
        "prizes' names.",
    )
    order = django_filters.ChoiceFilter(choices=[(order, order) for order in ORDERS], method="by_order")

    class Meta:
        model = Raffle
        fields: list[str] = []

    def by_phase(self, raffles: RaffleQuerySet, name: str, phases: list[str]) -> RaffleQuerySet:
        """Keep those in any of these phases."""
        return raffles.in_phases(phases)

    def by_text(self, raffles: RaffleQuerySet, name: str, text: str) -> RaffleQuerySet:
        """Match every word in the title, the description or a prize's name, in any order, without case and accents."""
        trigrams = trigram_schema()
        return raffles.filter(*(holds(word, trigrams=trigrams) for word in words_of(text)))

    def by_order(self, raffles: RaffleQuerySet, name: str, order: str) -> RaffleQuerySet:
        """Keep what is on sale where the order is by its counter; the pages put it in order."""
        if order not in {"popular", "nearly_gone"}:
            return raffles
        on_sale = raffles.in_phases([Phase.OPEN])
        return on_sale if order == "popular" else on_sale.filter(tickets_left__gt=0)
