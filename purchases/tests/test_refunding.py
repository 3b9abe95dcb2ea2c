"""Refunds: whole purchases, before the entries are frozen, once, and to the end."""

import pytest
import stripe
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from purchases import services, tasks
from purchases.errors import NotRefundable
from purchases.models import Payment, Purchase, Refund
from purchases.tests.stage import at_once, bought, buy, counts, hold, over, pay, seated
from raffles import services as raffle_services
from raffles.models import Raffle
from verification.models import Draw
from verification.services import advance_draw


def refunds_of(purchase):
    return stripe.Refund.list(payment_intent=purchase.payment.intent_id).data


def statuses():
    return sorted(Purchase.objects.values_list("status", flat=True))


def test_a_refund_goes_back_once_and_leaves_a_gap(alice, bob, fiona, on_sale, run_tasks):
    raffle = on_sale()
    first, second = bought(alice, raffle, 3), bought(bob, raffle, 2)
    refund = services.request_refund(first.pk, reason="Changed her mind.", actor=fiona)
    assert services.request_refund(first.pk, reason="Again.").pk == refund.pk
    run_tasks()
    services.execute_refund(refund.pk)
    assert [(each.amount, each.status) for each in refunds_of(first)] == [(1500, "succeeded")]
    assert statuses() == ["paid", "refunded"]
    # The numbers are nobody's, and stay so.
    assert counts(raffle) == (0, 5)
    assert seated(alice, raffle).first_ticket == 6
    assert [tuple(entry)[1:3] for entry in Purchase.objects.filter(raffle=raffle).entries()] == [(4, 2), (6, 1)]
    assert Purchase.objects.get(pk=second.pk).status == "paid"
    assert AuditEntry.objects.get(action="purchase.refunding").actor == fiona.pk
    assert Notification.objects.mails().filter(kind="purchase_refunded", user=alice).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refund_executed_by_four_at_once_is_one(alice, on_sale):
    purchase = bought(alice, on_sale())
    refund = services.request_refund(purchase.pk, reason="Once.")
    at_once(*[lambda: services.execute_refund(refund.pk)] * 4)
    services.execute_refund(refund.pk)
    assert len(refunds_of(purchase)) == 1
    assert (statuses(), Refund.objects.get().status) == (["refunded"], "succeeded")
    assert Notification.objects.mails().filter(kind="purchase_refunded").count() == 1


def test_only_what_is_paid_is_refunded(alice, on_sale):
    with pytest.raises(NotRefundable):
        services.request_refund(hold(alice, on_sale()).pk, reason="Not paid.")
    assert not Refund.objects.exists()


def test_a_refund_that_stripe_did_not_hear_of_is_taken_up_again(alice, on_sale, no_stripe, run_tasks, caplog):
    purchase = bought(alice, on_sale())
    refund = services.request_refund(purchase.pk, reason="Stripe is down.")
    closed = no_stripe()
    tasks.execute_refund(str(refund.pk))
    assert f"refund {refund.pk} waits" in caplog.text
    assert Refund.objects.get().status == "requested"
    closed.undo()
    assert tasks.carry_out_open_refunds() == 1
    run_tasks()
    assert Refund.objects.get().status == "succeeded"
    assert tasks.carry_out_open_refunds() == 0


def test_a_refund_that_stripe_refuses_is_failed_and_says_why(alice, fiona, on_sale, caplog, trouble):
    purchase = bought(alice, on_sale())
    trouble("^/v1/refunds$", method="POST", status=400, times=2)
    refund = services.request_refund(purchase.pk, reason="Too late.")
    tasks.execute_refund(str(refund.pk))
    refund.refresh_from_db()
    assert (refund.status, statuses()) == ("failed", ["refunding"])
    assert "ordered as a fault" in refund.error
    assert "ordered as a fault" in caplog.text
    assert AuditEntry.objects.filter(action="purchase.refund_failed", subject_id=purchase.pk).count() == 1
    (alarm,) = Notification.objects.filter(kind="refund_failed")
    assert (alarm.user, "ordered as a fault" in alarm.context["reason"]) == (fiona, True)


def test_nobody_leaves_a_frozen_draw_neither_in_code_nor_in_the_database(alice, bob, on_sale, run_tasks):
    raffle = on_sale(capacity=2)
    purchase = seated(alice, raffle, 2)
    assert raffle_services.close_raffle(raffle.pk)
    advance_draw(raffle.pk)
    assert Draw.objects.get().state != Draw.State.ANNOUNCED
    with pytest.raises(NotRefundable, match="are fixed"):
        services.request_refund(purchase.pk, reason="Bad luck ahead.")
    rows = Purchase.objects.filter(pk=purchase.pk)
    facts = {"first_ticket": 9, "quantity": 1, "entry_id": raffle.pk, "buyer": bob, "amount": 1, "route": "postal"}
    for change in ({"status": "refunding"}, {"currency": "eur"}, *({name: value} for name, value in facts.items())):
        with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
            rows.update(**change)
    assert rows.get().status == "paid"


def test_nobody_joins_a_frozen_draw(alice, bob, on_sale):
    raffle = on_sale(capacity=2)
    seated(alice, raffle, 2)
    late = Purchase.objects.create(**entry_of(bob, raffle), status="expired")
    raffle_services.close_raffle(raffle.pk)
    advance_draw(raffle.pk)
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        Purchase.objects.filter(pk=late.pk).update(status="paid", first_ticket=3)
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        Purchase.objects.create(**entry_of(bob, raffle) | {"idempotency_key": "in"}, status="paid", first_ticket=3)
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        Purchase.objects.paid()._raw_delete("default")
    # What takes no part in the draw stays free to change.
    Purchase.objects.filter(pk=late.pk).update(status="refunding")
    Purchase.objects.filter(pk=late.pk).delete()


def entry_of(buyer, raffle):
    values = {"quantity": 1, "amount": 500, "currency": "gbp", "idempotency_key": "k", "request_digest": b"d"}
    return values | {"raffle": raffle, "buyer": buyer, "expires_at": timezone.now()}


def test_a_cancelled_raffle_refunds_everyone_and_lets_go_who_is_still_paying(alice, bob, person, on_sale, run_tasks):
    raffle = on_sale()
    paid, paying, still_paying = bought(alice, raffle, 2), buy(bob, raffle), buy(person("dora"), raffle)
    pay(paying.payment.client_secret).raise_for_status()
    raffle_services.cancel_raffle(raffle.pk, reason="The watch was stolen.")
    run_tasks()
    assert statuses() == ["expired", "refunded", "refunded"]
    assert Purchase.objects.get(pk=still_paying.pk).status == "expired"
    assert [len(refunds_of(each)) for each in (paid, paying, still_paying)] == [1, 1, 0]
    assert counts(raffle)[0] == 0
    assert Draw.objects.get().state == Draw.State.VOID
    told = Notification.objects.mails().filter(kind="purchase_refunded").values_list("user__email", flat=True)
    assert set(told) == {alice.email, bob.email}


def test_the_refunds_of_a_cancelled_raffle_go_on_after_a_crash(people, on_sale, monkeypatch):
    raffle = on_sale()
    for buyer in people(5):
        seated(buyer, raffle)
    raffle_services.cancel_raffle(raffle.pk, reason="Stolen.")
    monkeypatch.setattr("purchases.services.refunds.BATCH", 2)
    real, noted = services.refunds.record_all, []

    def dies_in_the_second_batch(*facts, **before):
        noted.append(facts)
        if len(noted) == 3:  # each batch is recorded by its purchases and by its refunds
            raise SystemExit
        real(*facts, **before)

    monkeypatch.setattr("purchases.services.refunds.record_all", dies_in_the_second_batch)
    with pytest.raises(SystemExit):
        services.refund_raffle(raffle.pk)
    assert (statuses().count("refunding"), Refund.objects.count()) == (2, 2)
    assert services.refund_raffle(raffle.pk) == 3
    assert services.refund_raffle(raffle.pk) == 0
    assert Refund.objects.count() == 5


def test_a_batch_of_refunds_costs_the_same_however_many_are_in_it(people, on_sale):
    raffle = on_sale()
    buyers = people(12)
    for buyer in buyers:
        seated(buyer, raffle)
    raffle_services.cancel_raffle(raffle.pk, reason="Stolen.")
    with CaptureQueriesContext(connection) as asked:
        assert services.refund_raffle(raffle.pk) == 12
    assert len(asked) < 25, [each["sql"][:80] for each in asked]
    entry = AuditEntry.objects.filter(action="purchase.refunding").latest("pk")
    assert entry.before == {"status": "paid"}
    payment = Payment.objects.get(purchase=entry.subject_id)
    assert entry.after == {"status": "refunding", "reason": "Stolen.", "payment": str(payment.pk)}
    assert AuditEntry.objects.filter(action="purchase.refunding").count() == 12
    assert {(each.amount, each.reason, each.status) for each in Refund.objects.all()} == {(500, "Stolen.", "requested")}


def test_a_payment_that_settled_beside_the_cancellation_is_found_and_refunded(alice, on_sale, run_tasks):
    raffle = on_sale()
    raffle_services.cancel_raffle(raffle.pk, reason="Stolen.")
    run_tasks()
    # As a settling transaction leaves it that looked at the raffle before and committed after.
    paid = Purchase.objects.create(**entry_of(alice, raffle), status="paid", first_ticket=1, paid_at=timezone.now())
    Payment.objects.create(purchase=paid, status="succeeded", intent_id="pi_late")
    assert tasks.resume_cancelled_raffles() == 1
    assert tasks.resume_cancelled_raffles() == 0
    services.refund_raffle(raffle.pk)
    assert statuses() == ["refunding"]
    Raffle.objects.update(claimed_until=None)
    assert tasks.resume_cancelled_raffles() == 0


def test_a_purchase_without_its_payment_does_not_keep_the_others_from_their_money(alice, bob, on_sale):
    raffle = on_sale()
    seated(alice, raffle).payments.all().delete()
    seated(bob, raffle)
    raffle_services.cancel_raffle(raffle.pk, reason="Stolen.")
    services.refund_raffle(raffle.pk)
    assert statuses() == ["refunding", "review"]


def test_of_a_cancelled_raffle_nobody_is_refunded_whose_money_went_back_by_hand(alice, bob, on_sale, run_tasks):
    raffle = on_sale()
    purchase = bought(alice, raffle)
    bought(bob, raffle)
    by_hand = stripe.Refund.create(payment_intent=purchase.payment.intent_id)
    services.note_refund(by_hand.id)
    raffle_services.cancel_raffle(raffle.pk, reason="Stolen.")
    run_tasks()
    assert {each.buyer_id: each.status for each in Purchase.objects.all()} == {alice.pk: "void", bob.pk: "refunded"}
    assert Refund.objects.get().payment.purchase.buyer_id == bob.pk


def test_below_the_promised_minimum_everyone_is_refunded(alice, bob, on_sale, run_tasks):
    raffle = on_sale(min_tickets=4)
    bought(alice, raffle, 2)
    bought(bob, raffle, 1)
    over(raffle)
    raffle_services.close_raffle(raffle.pk)
    assert advance_draw(raffle.pk).state == Draw.State.VOID
    run_tasks()
    raffle.refresh_from_db()
    assert (raffle.status, statuses()) == ("cancelled", ["refunded", "refunded"])
    assert raffle.cancel_reason == "3 tickets were sold, fewer than the 4 promised for a draw."


def test_at_the_promised_minimum_the_draw_is_held(alice, on_sale):
    raffle = on_sale(min_tickets=4)
    seated(alice, raffle, 4)
    over(raffle)
    raffle_services.close_raffle(raffle.pk)
    assert advance_draw(raffle.pk).state == Draw.State.COMMITTED
