"""The invariants of the books, and of the books beside Stripe: what holds after anything whatsoever has happened."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import stripe
from djstripe.models import Customer

from purchases.models import Payment, PersonTally, Purchase, Refund
from raffles.models import TicketCounter

#: Of a refund that took the money back from the charge, whether or not it has arrived.
GONE = {Refund.Status.PENDING, Refund.Status.SUCCEEDED}


def check_books() -> None:
    """Raises AssertionError with every fault of every raffle. Cost: six queries, memory for all purchases."""
    purchases = list(Purchase.objects.all())
    faults = [*_counters(purchases), *_numbers(purchases), *_tallies(purchases), *_payments(purchases)]
    assert not faults, "\n".join(faults)


def check_money() -> None:
    """Raises AssertionError where the money of an intent is another at Stripe than in the books.

    For when all is settled: every payment has been looked at since it last changed at Stripe. Money of a customer of
    ours that no payment in the books explains is a fault too. Cost: a list at Stripe for each customer.
    """
    there = _at_stripe()
    faults = []
    for payment in Payment.objects.exclude(intent_id=None).select_related("purchase", "refund"):
        received, refunded, status = there.pop(str(payment.intent_id))
        settled = payment.status == Payment.Status.SUCCEEDED
        refund = getattr(payment, "refund", None)
        back = refund.amount if refund and refund.status in GONE else 0
        due = payment.purchase.amount if settled else 0
        if settled and payment.purchase.review_evidence:
            due = received  # finance decides what is right
        if (received, refunded) != (due, back):
            faults.append(f"{payment}: Stripe has {received} - {refunded}, the books have {due} - {back}")
        if status in {"succeeded", "canceled"} and payment.status != status:
            faults.append(f"{payment}: its intent is {status}")
    faults += [f"{name}: Stripe has {one[0]} - {one[1]}, no payment" for name, one in there.items() if one[0] - one[1]]
    assert not faults, "\n".join(faults)


def _counters(purchases: list[Purchase]) -> Iterator[str]:
    held: Counter[object] = Counter()
    given: Counter[object] = Counter()
    postal: Counter[object] = Counter()
    for each in purchases:
        held[each.raffle_id] += each.quantity if each.status in Purchase.HOLDING else 0
        if each.first_ticket is not None:
            given[each.raffle_id] += each.quantity
            postal[each.raffle_id] += each.quantity if each.route == Purchase.Route.POSTAL else 0
    for counter in TicketCounter.objects.all():
        found = {"held": held[counter.pk], "sold": given[counter.pk], "postal": postal[counter.pk]}
        for name, tickets in found.items():
            if getattr(counter, name) != tickets:
                yield f"raffle {counter.pk} counts {getattr(counter, name)} {name}, its purchases have {tickets}"
        if counter.held + counter.sold > counter.capacity:
            yield f"raffle {counter.pk} is oversold: {counter}"


def _numbers(purchases: list[Purchase]) -> Iterator[str]:
    """Numbers begin at 1 and run to the number sold, and nobody ever had the same."""
    of_raffle = defaultdict(list)
    for each in purchases:
        if each.first_ticket is not None:
            of_raffle[each.raffle_id].append((each.first_ticket, each.quantity))
        elif each.status == Purchase.Status.PAID:
            yield f"purchase {each.pk} is paid and has no numbers"
    for raffle, ranges in of_raffle.items():
        following = 1
        for first, quantity in sorted(ranges):
            if first != following:
                yield f"raffle {raffle} goes on with number {first} where {following} was next"
            following = first + quantity


def _tallies(purchases: list[Purchase]) -> Iterator[str]:
    """Whoever holds tickets or was ever given numbers has them counted for the limit."""
    taken: Counter[tuple[object, object]] = Counter()
    for each in purchases:
        if each.status in Purchase.HOLDING or each.first_ticket is not None:
            taken[each.raffle_id, each.buyer_id] += each.quantity
    tallies = {(each.raffle_id, each.user_id): each.taken for each in PersonTally.objects.all()}
    for raffle, user in taken.keys() | tallies.keys():
        tickets, tally = taken[raffle, user], tallies.get((raffle, user), 0)
        if tickets != tally:
            yield f"person {user} took {tickets} of raffle {raffle}, the tally says {tally}"


def _payments(purchases: list[Purchase]) -> Iterator[str]:
    """A card's tickets have been paid once; money that has no tickets is on its way back, or finance looks at it."""
    kept: Counter[object] = Counter()
    returned: set[object] = set()
    for payment in Payment.objects.filter(status=Payment.Status.SUCCEEDED).select_related("refund"):
        if hasattr(payment, "refund"):
            returned.add(payment.purchase_id)
        else:
            kept[payment.purchase_id] += 1
    for each in purchases:
        explained = each.review_evidence is not None or each.status in {Purchase.Status.VOID, Purchase.Status.REVIEW}
        due = 1 if each.status == Purchase.Status.PAID and each.route == Purchase.Route.CARD else 0
        if kept[each.pk] < due or (kept[each.pk] > due and not explained):
            yield f"purchase {each.pk} is {each.status} and has {kept[each.pk]} payments that were not returned"
        if each.status in {Purchase.Status.REFUNDING, Purchase.Status.REFUNDED} and each.pk not in returned:
            yield f"purchase {each.pk} is {each.status} without a refund"


def _at_stripe() -> dict[str, tuple[int, int, str]]:
    """Received, refunded and status of each intent of our customers, and of those that our payments name."""
    found = {}
    for customer in Customer.objects.values_list("id", flat=True):
        listed = stripe.PaymentIntent.list(customer=customer, limit=100, expand=["data.latest_charge"])
        found |= {each.id: _money(each) for each in listed.auto_paging_iter()}
    for name in Payment.objects.exclude(intent_id=None).values_list("intent_id", flat=True):
        if name not in found:
            found[str(name)] = _money(stripe.PaymentIntent.retrieve(str(name), expand=["latest_charge"]))
    return found


def _money(intent: stripe.PaymentIntent) -> tuple[int, int, str]:
    charge = intent.latest_charge
    refunded = charge.amount_refunded if isinstance(charge, stripe.Charge) else 0
    return intent.amount_received or 0, refunded, intent.status
