"""Likely doubles: other accounts, excluded from buying, that paid with the same card or bank account."""

from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from djstripe.models import Charge

from accounts.models import User
from accounts.services import are_excluded_cards
from purchases.models import Payment, Purchase

# Where Stripe keeps the fingerprint of a card or bank account, the same for every customer who uses it.
FINGERPRINTS = tuple(f"stripe_data__payment_method_details__{kind}__fingerprint" for kind in ("card", "sepa_debit"))


def excluded_people_with_same_card(purchase: Purchase) -> list[User]:
    """Return excluded people, other than the buyer, who once paid with the same card or bank account.

    Knows only what dj-stripe has recorded so far. Cost: two queries; the second reads the charges of people excluded
    now.
    """
    fingerprints = _fingerprints(purchase.payments.all())
    if not fingerprints:
        return []
    excluded = Q(safeguards__excluded_forever=True) | Q(safeguards__excluded_until__gt=Now())
    same: Any = Q(*((f"{where}__in", sorted(fingerprints)) for where in FINGERPRINTS), _connector=Q.OR)
    people = User.objects.filter(excluded).exclude(pk=purchase.buyer_id).values("pk")
    intents = Payment.objects.filter(purchase__buyer__in=people).exclude(intent_id=None).values("intent_id")
    paying = Charge.objects.filter(same, payment_intent__in=intents).values("payment_intent")
    return list(User.objects.filter(purchases__payments__intent_id__in=paying).distinct().order_by("email"))


def is_card_of_erased_excluded_person(purchase: Purchase) -> bool:
    """Whether an excluded person whose account is erased paid with the same card. Cost: two queries."""
    return are_excluded_cards(_fingerprints(purchase.payments.all()))


def card_fingerprints_of(user: User) -> set[str]:
    """Return the fingerprints of all that this person tried to pay with, as far as dj-stripe has recorded them."""
    return _fingerprints(Payment.objects.filter(purchase__buyer=user))


def _fingerprints(payments: QuerySet[Payment]) -> set[str]:
    intents = payments.exclude(intent_id=None).values("intent_id")
    charges = Charge.objects.filter(payment_intent__in=intents).values_list(*FINGERPRINTS)
    return {each for row in charges for each in row if each}
