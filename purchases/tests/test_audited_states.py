"""Every move of money and tickets is in the audit with what was before and after, whoever and whatever made it."""

from collections import Counter
from typing import Any

import pytest
import stripe

from luxewin.audit.models import AuditEntry
from luxewin.tests.watching import Watch
from purchases import services
from purchases.models import Dispute, Payment, Purchase, Refund
from purchases.services import holds
from purchases.tests.stage import bought, buy, confirm, hold, pay
from raffles.services import cancel_raffle

pytestmark = pytest.mark.django_db


@pytest.fixture
def raffle(on_sale: Any) -> Any:
    return on_sale(ticket_price=500, currency="eur")


@pytest.fixture
def watch(raffle: Any) -> Watch:
    return Watch()


def moves(watch: Watch, kind: str) -> list[list[str]]:
    """The states that each thing of a kind went through."""
    watch.check()
    return [[after for _, after in made] for (seen, _), made in watch.seen().items() if seen == kind]


def test_a_hold_is_recorded_with_who_and_from_where(watch, raffle, alice, api, new_key):
    asked = {"raffle": str(raffle.pk), "quantity": 2}
    answer = api(alice).post("/api/v1/purchases/create", asked, headers=new_key(), REMOTE_ADDR="192.0.2.7")
    assert answer.status_code == 201
    held, opened = AuditEntry.objects.filter(action__in=["purchase.pending", "payment.open"]).order_by("id")
    payment = Payment.objects.get()
    for entry in (held, opened):
        assert (entry.actor, entry.address, entry.request_id) == (alice.pk, "192.0.2.7", answer["X-Request-ID"])
    facts = {"status": "pending", "quantity": 2, "amount": 1000, "currency": "eur", "payment": str(payment.pk)}
    assert (held.subject_id, held.before, held.after) == (str(payment.purchase_id), {}, facts)
    facts = {"status": "open", "purchase": str(payment.purchase_id), "intent": payment.intent_id}
    assert (opened.subject_id, opened.before, opened.after) == (str(payment.pk), {"status": "started"}, facts)
    watch.check()


def test_the_same_request_again_is_recorded_once(watch, raffle, alice, api, new_key):
    asked, key = {"raffle": str(raffle.pk), "quantity": 2}, new_key()
    for _ in range(2):
        assert api(alice).post("/api/v1/purchases/create", asked, headers=key).status_code == 201
    assert Counter(AuditEntry.objects.values_list("action", flat=True))["purchase.pending"] == 1


def test_tickets_paid_and_given_back(watch, raffle, alice, fiona, run_tasks):
    purchase = bought(alice, raffle)
    services.request_refund(purchase.pk, reason="Asked for.", actor=fiona)
    services.execute_refund(Refund.objects.get().pk)
    assert moves(watch, "purchase") == [["pending", "paid", "refunding", "refunded"]]
    assert moves(watch, "payment") == [["open", "succeeded"]]
    assert moves(watch, "refund") == [["requested", "succeeded"]]
    assert AuditEntry.objects.get(action="refund.requested").actor == fiona.pk


def test_holds_that_run_out(watch, raffle, alice, bob):
    assert holds.release_hold(hold(alice, raffle).pk)
    purchase = buy(bob, raffle)
    Purchase.objects.filter(pk=purchase.pk).update(expires_at="2020-01-01T00:00Z")
    services.expire_purchase(purchase.pk)
    assert moves(watch, "purchase") == [["pending", "expired"]] * 2
    assert sorted(moves(watch, "payment")) == [["failed"], ["open", "canceled"]]


def test_a_debit_that_takes_days_and_fails(watch, raffle, alice, own_stripe):
    purchase = buy(alice, raffle)
    confirm(purchase.client_secret, "pm_sepaDebit_failed_de").raise_for_status()
    services.settle_purchase(purchase.pk)
    own_stripe(f"payment_intents/{purchase.payment.intent_id}/finish")
    services.settle_purchase(purchase.pk)
    assert moves(watch, "purchase") == [["pending", "processing", "pending"]]
    assert moves(watch, "payment") == [["open", "processing", "open"]]


def test_money_that_does_not_match(watch, raffle, alice, fiona):
    purchase = buy(alice, raffle)
    stripe.PaymentIntent.modify(purchase.payment.intent_id, amount=400)
    pay(purchase.client_secret).raise_for_status()
    services.settle_purchase(purchase.pk)
    services.resolve_review(purchase.pk, reason="Sent back.", actor=fiona)
    assert moves(watch, "purchase") == [["pending", "review", "refunding"]]


def test_a_cancelled_raffle(watch, raffle, alice, bob, sam, mona):
    bought(alice, raffle)
    services.enter_postal(
        raffle_id=raffle.pk, entrant=bob, quantity=1, reference="L1", received_on=raffle.published_at.date(), actor=sam
    )
    cancel_raffle(raffle.pk, reason="Stolen.", actor=mona)
    services.refund_raffle(raffle.pk)
    assert sorted(moves(watch, "purchase")) == [["paid", "void"], ["pending", "paid", "refunding"]]
    assert moves(watch, "refund") == [["requested"]]
    assert moves(watch, "raffle") == [["cancelled"]]


def test_a_dispute(watch, raffle, alice, own_stripe, hear):
    purchase = bought(alice, raffle)
    own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    hear()
    stripe.Dispute.modify(Dispute.objects.get().pk, evidence={"uncategorized_text": "losing_evidence"}, submit=True)
    hear()
    assert moves(watch, "dispute") == [["needs_response", "lost"]]


def test_a_refund_that_comes_back_and_is_tried_again(watch, raffle, alice, fiona, own_stripe, hear):
    purchase = buy(alice, raffle)
    confirm(purchase.client_secret, "pm_card_refundFail").raise_for_status()
    services.settle_purchase(purchase.pk)
    refund = services.request_refund(purchase.pk, reason="Asked for.")
    services.execute_refund(refund.pk)
    own_stripe(f"refunds/{Refund.objects.get().stripe_id}/finish")
    hear()
    services.retry_refund(refund.pk, actor=fiona)
    hear()
    assert moves(watch, "refund") == [["requested", "succeeded", "failed", "requested", "succeeded"]]
    assert moves(watch, "purchase") == [["pending", "paid", "refunding", "refunded", "refunding", "refunded"]]


def test_a_move_that_nobody_records_is_noticed(watch, raffle, alice):
    """The watch itself: an update past the services."""
    purchase = hold(alice, raffle)
    watch.check()
    Purchase.objects.filter(pk=purchase.pk).update(status="expired")
    with pytest.raises(AssertionError):
        watch.check()
