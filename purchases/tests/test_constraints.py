"""The database has the last word: each rule that costs money is refused there too, whoever writes."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from purchases.models import Payment, PersonTally, Purchase, Refund
from raffles.models import TicketCounter

DUE = timezone.now()


@pytest.fixture
def purchase(alice, on_sale):
    raffle = on_sale(capacity=10)
    purchase = make(raffle, alice)
    PersonTally.objects.create(raffle=raffle, user=alice, taken=3)
    Payment.objects.create(purchase=purchase, intent_id="pi_1")
    return purchase


def make(raffle, buyer, **changes):
    values = {"quantity": 3, "amount": 1500, "currency": "gbp", "status": "paid", "first_ticket": 1}
    keys = {"expires_at": DUE, "paid_at": DUE, "idempotency_key": "first", "request_digest": b"d"}
    return Purchase.objects.create(raffle=raffle, buyer=buyer, **values | keys | changes)


def another(purchase, **changes):
    make(purchase.raffle, purchase.buyer, **{"idempotency_key": "second", "first_ticket": 4} | changes)


def count(purchase, **values):
    TicketCounter.objects.filter(pk=purchase.raffle_id).update(**values)


RULES = {
    "the same key twice": ("purchase_once_per_key", lambda own: another(own, idempotency_key="first")),
    "the same first number twice": ("purchase_numbers_once", lambda own: another(own, first_ticket=1)),
    "no tickets": ("purchase_quantity", lambda own: another(own, quantity=0)),
    "paid without numbers": ("purchase_paid_has_numbers", lambda own: another(own, first_ticket=None)),
    "paid from number zero": ("purchase_paid_has_numbers", lambda own: another(own, first_ticket=0)),
    "the same entry twice": ("entry_id", lambda own: another(own, entry_id=own.entry_id)),
    "a negative amount": ("amount", lambda own: another(own, amount=-1)),
    "two tallies": ("tally_raffle_user", lambda own: PersonTally(raffle=own.raffle, user=own.buyer, taken=1).save()),
    "a tally below zero": ("taken|tally_not_negative", lambda own: PersonTally.objects.update(taken=-1)),
    "the same attempt twice": ("payment_attempt", lambda own: Payment.objects.create(purchase=own, status="failed")),
    "two live payments": ("payment_one_live", lambda own: Payment.objects.create(purchase=own, attempt=2)),
    "one intent for two": ("intent_id", lambda own: Payment(purchase=unpaid(own), intent_id="pi_1").save()),
    "two refunds": ("payment_id", lambda own: [Refund(payment=own.payment, amount=1).save() for _ in range(2)]),
    "a refund of nothing": ("refund_amount", lambda own: Refund.objects.create(payment=own.payment, amount=0)),
    "held below zero": ("held", lambda own: count(own, held=-1)),
    "sold below zero": ("sold", lambda own: count(own, sold=-1)),
    "one too many held": ("counter_never_oversold", lambda own: count(own, held=11)),
    "one too many sold": ("counter_never_oversold", lambda own: count(own, sold=11)),
    "one too many in all": ("counter_never_oversold", lambda own: count(own, held=5, sold=6)),
}


def unpaid(purchase):
    return make(
        purchase.raffle, purchase.buyer, idempotency_key="third", status="pending", first_ticket=None, paid_at=None
    )


@pytest.mark.parametrize("rule", RULES)
def test_the_database_refuses(purchase, rule):
    constraint, break_it = RULES[rule]
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        break_it(purchase)


def test_the_database_takes_what_is_just_within_the_rules(purchase):
    another(purchase)
    unpaid(purchase)
    count(purchase, held=4, sold=6)
    Refund.objects.create(payment=purchase.payment, amount=1)
