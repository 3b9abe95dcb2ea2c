"""How purchases and money are found in the back office."""

from re import Match

from django.db.models import F, QuerySet

from luxewin.finding import finder
from luxewin.ids import UUID_PATTERN
from purchases.models import Dispute, Payment, Purchase, Refund, UnstoredEvent
from raffles.slugs import slug_of


def _of_ticket(match: Match[str]) -> QuerySet[Purchase]:
    """Return the purchase of a ticket. Cost: as many rows of an index as a person may have tickets."""
    number = int(match["number"])
    tickets = Purchase.objects.filter(raffle__slug=slug_of(match["raffle"]), first_ticket__lte=number)
    near = tickets.filter(first_ticket__gt=number - F("raffle__max_per_person"))
    return near.filter(first_ticket__gt=number - F("quantity"))


finder("Purchase by id", UUID_PATTERN, lambda match: Purchase.objects.filter(pk=match[0]))
finder("Purchase by entry", UUID_PATTERN, lambda match: Purchase.objects.filter(entry_id=match[0]))
finder("Purchase by raffle and ticket", r"(?P<raffle>.+?)[ #]+(?P<number>[0-9]{1,9})", _of_ticket)
finder("Payment by payment intent", r"pi_\w+", lambda match: Payment.objects.filter(intent_id=match[0]))
finder("Refund by Stripe's id", r"(re|pyr)_\w+", lambda match: Refund.objects.filter(stripe_id=match[0]))
finder("Dispute by Stripe's id", r"(dp|du)_\w+", lambda match: Dispute.objects.filter(pk=match[0]))
finder("Failed event of Stripe", r"evt_\w+", lambda match: UnstoredEvent.objects.filter(pk=match[0]))
