"""Open checkouts and payments of people who may no longer buy: what ends, what is refunded, what finance reviews."""

from itertools import batched
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from accounts import errors as accounts_errors
from accounts.eligibility import Eligibility, blockers, eligibilities_of, eligibility_of, lock_eligibility
from accounts.models import EligibilityChange, User
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record
from purchases.errors import SpendLimitReached
from purchases.models import Purchase
from purchases.services.flags import flag_purchase
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.spending import passes_limit

# A paid purchase was bought under the terms in force when its checkout began.
NOT_AT_SETTLEMENT = {accounts_errors.TermsNotAccepted.code}
# People whose standings are read in one statement.
BATCH = 2_000
# Ages and rules as they were at the time of each purchase.
OF_MINORS = """
    SELECT p.id, greatest(%(least)s, rule.minimum_age) FROM purchases_purchase AS p
    JOIN accounts_user AS u ON u.id = p.buyer_id
    LEFT JOIN LATERAL accounts_rule(u.country, u.region, p.created_at) AS rule ON true
    WHERE p.buyer_id = %(buyer)s AND p.status = 'paid'
      AND accounts_age(u.date_of_birth, u.country, p.created_at) < greatest(%(least)s, rule.minimum_age)
    ORDER BY p.id
"""


def blocker_of(purchase: Purchase, eligibility: Eligibility, *, is_paid: bool = False) -> str | None:
    """Return the code of what keeps the buyer from continuing this purchase now; None if nothing does.

    `is_paid`: its money arrived while its tickets are held. Cost: none, or two queries for a buyer with a spending
    limit.
    """
    for code in blockers(eligibility):
        if not (is_paid and code in NOT_AT_SETTLEMENT):
            return code
    is_held = purchase.status in Purchase.HOLDING
    return SpendLimitReached.code if eligibility.is_limited and is_held and passes_limit(purchase) else None


def end_checkouts(user_id: UUID) -> int:
    """Make the person's open checkouts that are no longer allowed overdue, for a sweep to expire; return how many.

    If a lower limit leaves room for some of them, the newest end first. A payment that a bank is working on stays:
    whether its tickets are issued is decided when its money arrives. Idempotent. Raises Busy. Cost: a query if there
    are none.
    """
    open_ones = Purchase.objects.filter(buyer=user_id, status=Purchase.Status.PENDING, expires_at__gt=Now())
    if not open_ones.exists():
        return 0
    with atomic_with_lock_timeout():
        lock_eligibility([user_id])
        eligibility = eligibility_of(user_id)
        # In the order of all code that locks several.
        locked = list(open_ones.order_by("pk").select_for_update(no_key=True))
        because = {purchase: blocker_of(purchase, eligibility) for purchase in locked}
        ended = [purchase for purchase, code in because.items() if code]
        for purchase in ended:
            record("purchase.checkout_ended", purchase, after={"because": because[purchase]})
        return Purchase.objects.filter(pk__in=[each.pk for each in ended]).update(expires_at=Now())


def check_changed_person(user_id: UUID) -> None:
    """Apply a noted change of a person to their purchases, and remove the note.

    Checkouts that are no longer allowed end, and purchases made as a minor are flagged. Idempotent. Raises Busy; then
    the note stays.
    """
    note = EligibilityChange.objects.filter(pk=user_id).first()
    if note is None:
        return
    with atomic_with_lock_timeout():
        # However they got their address.
        carry_over_exclusion(User.objects.select_for_update(no_key=True).get(pk=user_id))
    end_checkouts(user_id)
    flag_purchases_of_minor(user_id)
    # Unless something has changed again meanwhile.
    EligibilityChange.objects.filter(pk=user_id, noted_at=note.noted_at).delete()


def flag_purchases_of_minor(user_id: UUID) -> None:
    """Flag every paid purchase whose buyer was too young on that day, by what is known now. Idempotent."""
    with connection.cursor() as cursor:
        cursor.execute(OF_MINORS, {"buyer": user_id, "least": settings.MINIMUM_AGE})
        found = cursor.fetchall()
    for purchase_id, minimum in found:
        flag_purchase(
            purchase_id, f"By the birth date and place known now, the buyer was under {minimum} when they bought."
        )


def note_blocked_buyers() -> int:
    """Note people with an open checkout who may no longer buy although none of their own data has changed.

    The cause is a rule of their country, new terms, a setting, or the time. Return how many were noted. Cost: one
    query, and another for every BATCH of people in a checkout, with an INSERT if somebody is found. Each is a
    transaction of its own.
    """
    open_ones = Purchase.objects.filter(status=Purchase.Status.PENDING, expires_at__gt=Now())
    others = open_ones.exclude(buyer__in=EligibilityChange.objects.values("pk"))
    noted = 0
    # In one order, as two workers may do this at once.
    for some in batched(sorted(set(others.values_list("buyer_id", flat=True))), BATCH):
        blocked = [key for key, eligibility in sorted(eligibilities_of(some).items()) if blockers(eligibility)]
        notes = [EligibilityChange(user_id=key) for key in blocked]
        EligibilityChange.objects.bulk_create(notes, ignore_conflicts=True)
        noted += len(blocked)
    return noted
