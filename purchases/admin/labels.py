"""What people read of money and of rows in the back office."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from luxewin.money import as_text
from purchases.models import PostalEntry, Purchase


def price(amount: int, currency: str) -> str:
    """An amount with its currency, never broken into two lines."""
    return as_text(amount, currency).replace(" ", "\N{NO-BREAK SPACE}")


def price_of(purchase: Purchase) -> str:
    """What it costs; a letter costs nothing."""
    return "free" if purchase.route == Purchase.Route.POSTAL else price(purchase.amount, purchase.currency)


def numbers(purchase: Purchase) -> str:
    """`4`, and once given also the numbers: `4 (11 to 14)`."""
    tickets = purchase.tickets
    if tickets is None:
        return str(purchase.quantity)
    last = f" to {tickets['last']}" if tickets["count"] > 1 else ""
    return f"{purchase.quantity} ({tickets['first']}{last})"


def purchase_label(purchase: Purchase) -> str:
    """Whose, of what, for how much. Cost: none where raffle and buyer are read with it."""
    tickets = f"{purchase.quantity} ticket{'' if purchase.quantity == 1 else 's'}"
    return f"{purchase.buyer.email}, {tickets} of {purchase.raffle}, {price_of(purchase)}"


def entry_label(entry: PostalEntry) -> str:
    """The letter, and whose it is. Cost: none where raffle and entrant are read with it."""
    return f"{entry.reference} of {entry.purchase.buyer.email}, {entry.raffle}"


def link(purchase: Purchase) -> Any:
    """To its page, by its raffle's name."""
    url = reverse("admin:purchases_purchase_change", args=[purchase.pk])
    return format_html('<a href="{}">{}</a>', url, purchase.raffle)
