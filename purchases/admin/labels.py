"""Labels of amounts, purchases and entries in the back office."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from luxewin.money import as_text
from purchases.models import PostalEntry, Purchase


def price(amount: int, currency: str) -> str:
    """Return an amount with its currency, never broken into two lines."""
    return as_text(amount, currency).replace(" ", "\N{NO-BREAK SPACE}")


def price_of(purchase: Purchase) -> str:
    """Return what the purchase costs; a free entry costs nothing."""
    return "free" if purchase.route == Purchase.Route.POSTAL else price(purchase.amount, purchase.currency)


def numbers(purchase: Purchase) -> str:
    """Return `4`, or with issued numbers `4 (11 to 14)`."""
    tickets = purchase.tickets
    if tickets is None:
        return str(purchase.quantity)
    last = f" to {tickets['last']}" if tickets["count"] > 1 else ""
    return f"{purchase.quantity} ({tickets['first']}{last})"


def purchase_label(purchase: Purchase) -> str:
    """Return its buyer, raffle and price. Cost: none if raffle and buyer were read with it."""
    tickets = f"{purchase.quantity} ticket{'' if purchase.quantity == 1 else 's'}"
    return f"{purchase.buyer.email}, {tickets} of {purchase.raffle}, {price_of(purchase)}"


def entry_label(entry: PostalEntry) -> str:
    """Return the letter and its entrant. Cost: none if raffle and entrant were read with it."""
    return f"{entry.reference} of {entry.purchase.buyer.email}, {entry.raffle}"


def link(purchase: Purchase) -> Any:
    """Link to the purchase's page, by its raffle's title."""
    url = reverse("admin:purchases_purchase_change", args=[purchase.pk])
    return format_html('<a href="{}">{}</a>', url, purchase.raffle)
