"""Likely doubles: other accounts that are excluded from buying and paid with the same card or bank account."""

from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from djstripe.models import Charge

from accounts.models import User
from purchases.models import Purchase

# Where Stripe tells apart cards and bank accounts, whoever's they are.
FINGERPRINTS = tuple(f"stripe_data__payment_method_details__{kind}__fingerprint" for kind in ("card", "sepa_debit"))


def excluded_people_with_same_card(purchase: Purchase) -> list[User]:
    """People other than the buyer who are excluded and once paid with what this purchase was paid with.

    As far as dj-stripe's records have come. Cost: two queries; the second reads the charges of people excluded now.
    """
    intents = purchase.payments.exclude(intent_id=None).values_list("intent_id", flat=True)
    own = Charge.objects.filter(payment_intent__in=list(intents)).values_list(*FINGERPRINTS)
    fingerprints = {each for row in own for each in row if each}
    if not fingerprints:
        return []
    excluded = Q(safeguards__excluded_forever=True) | Q(safeguards__excluded_until__gt=Now())
    same: Any = Q(*((f"{where}__in", sorted(fingerprints)) for where in FINGERPRINTS), _connector=Q.OR)
    people = User.objects.filter(excluded).exclude(pk=purchase.buyer_id).values("pk")
    paying = Charge.objects.filter(same, customer__subscriber__in=people).values("customer__subscriber")
    return list(User.objects.filter(pk__in=paying).order_by("email"))
