"""Reconciliation: every way in which our books and Stripe can differ is printed, repaired where that is safe."""

from datetime import timedelta
from io import StringIO

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import compose
from luxewin.audit.models import AuditEntry
from purchases import gateway, services, tasks
from purchases.errors import NotRefundable
from purchases.models import Dispute, Payment, Purchase, Reconciliation, Refund, StripeWatch
from purchases.services.reconciliation import comparison, runs
from purchases.tests.stage import bought, buy, confirm, counts, hold, pay, seated
from raffles import services as raffle_services

pytestmark = [pytest.mark.usefixtures("own_stripe"), pytest.mark.django_db]


def reconcile(*options):
    """The lines, and whether differences remain."""
    told = StringIO()
    try:
        call_command("reconcile", *options, stdout=told)
    except CommandError as error:
        remain = (str(error), error.returncode) == ("Our books and Stripe differ.", 1)
        return told.getvalue().splitlines(), remain
    return told.getvalue().splitlines(), False


def test_books_that_agree_with_stripe_have_no_difference(alice, bob, on_sale, run_tasks):
    raffle = on_sale()
    bought(alice, raffle, 2)
    buy(bob, raffle)
    services.request_refund(bought(bob, raffle).pk, reason="Changed his mind.")
    run_tasks()
    lines, remain = reconcile()
    assert not remain
    # Three payments and a refund; the open payment is not looked at twice.
    assert lines == [lines[-1]]
    assert lines[0].startswith("4 objects since ")
    assert lines[0].endswith("compared: 0 differences repaired, 0 remain")


def test_a_payment_of_which_nobody_told_us_is_printed_and_settled(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle, 3)
    pay(purchase.payment.client_secret).raise_for_status()
    line = f"ours is open, Stripe's {purchase.payment.intent_id} is succeeded"
    lines, remain = reconcile("--dry-run")
    assert remain
    assert lines[0] == f"payment {purchase.payment.pk} of purchase {purchase.pk}: {line}"
    assert counts(raffle) == (3, 0)
    lines, remain = reconcile()
    assert not remain
    assert lines[0].endswith(f"{line}; settled, it is succeeded now")
    assert counts(raffle) == (0, 3)
    assert len(reconcile()[0]) == 1


def test_a_payment_however_old_that_is_not_finished_is_looked_at(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle)
    pay(purchase.payment.client_secret).raise_for_status()
    Payment.objects.update(created_at=timezone.now() - timedelta(days=60))
    # Stripe made it just now, so that only our side leads to it: it is listed in no stretch before now.
    comparison = services.Comparison(repair=True)
    assert [each.repaired for each in comparison.unfinished(timezone.now() - timedelta(days=1))] == [True]
    assert Purchase.objects.get().status == "paid"


def test_a_payment_that_stripe_does_not_know_is_printed(alice, on_sale):
    purchase = buy(alice, on_sale())
    Payment.objects.update(intent_id="pi_of_another_account")
    lines, remain = reconcile()
    assert remain
    name = f"payment {purchase.payment.pk} of purchase {purchase.pk}"
    assert f"{name}: Stripe does not know pi_of_another_account" in lines
    # The other way round: its intent's payment has another.
    assert any("had not got it; cancelled" in line for line in lines)


def test_an_intent_whose_attempt_ended_without_it_is_cancelled(alice, on_sale):
    purchase = buy(alice, on_sale())
    intent = purchase.payment.intent_id
    Payment.objects.update(status="failed", intent_id=None)
    assert reconcile("--dry-run")[1]
    lines, remain = reconcile()
    assert not remain
    assert lines[0].startswith(f"intent {intent} (requires_payment_method, 500 gbp): its payment")
    assert lines[0].endswith("cancelled")
    assert stripe.PaymentIntent.retrieve(intent).status == "canceled"
    assert len(reconcile()[0]) == 1


def test_an_intent_whose_maker_died_is_taken_in(alice, on_sale):
    purchase = buy(alice, on_sale())
    intent = purchase.payment.intent_id
    Payment.objects.update(status="started", intent_id=None, calling_since=timezone.now())
    # While a request waits for Stripe it is nobody's business.
    assert len(reconcile()[0]) == 1
    Payment.objects.update(calling_since=timezone.now() - timedelta(minutes=5))
    assert reconcile()[0][0].endswith("taken in")
    assert (purchase.payment.status, purchase.payment.intent_id) == ("open", intent)


def test_an_intent_of_a_payment_that_is_not_in_our_books_is_printed_and_left(alice, on_sale):
    purchase = hold(alice, on_sale())
    payment = Payment(purchase=purchase)
    intent = gateway.create_intent(payment, purchase, gateway.customer_of(alice))
    lines, remain = reconcile()
    assert remain
    assert lines[0].endswith(f"its payment {payment.pk} is not in our books")
    assert stripe.PaymentIntent.retrieve(intent.id).status == "requires_payment_method"


def test_an_intent_that_is_not_ours_is_nobody_s_business(db):
    stripe.PaymentIntent.create(amount=500, currency="gbp", metadata={"shop": "another"})
    lines, remain = reconcile()
    assert (len(lines), remain) == (1, False)


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"amount": 400}, "amount_received is 500, expected 400"), ({"currency": "usd"}, "currency is gbp, expected usd")],
    ids=["amount", "currency"],
)
def test_money_that_is_not_what_our_books_say_is_flagged_for_finance_once(change, fault, alice, on_sale):
    purchase = bought(alice, on_sale())
    Purchase.objects.update(**change)
    lines, remain = reconcile()
    assert remain
    assert any(line.endswith(f"{fault}; flagged for finance") for line in lines)
    purchase.refresh_from_db()
    assert fault in purchase.review_evidence["faults"]
    assert purchase.status == "paid"
    assert AuditEntry.objects.filter(action="purchase.flagged", after={"fault": fault}).count() == 1
    assert not reconcile()[1]


def test_money_of_somebody_else_is_flagged(alice, on_sale):
    purchase = bought(alice, on_sale())
    purchase.payments.update(customer="cus_of_somebody_else")
    lines, remain = reconcile()
    assert remain
    assert "who is not the buyer; flagged for finance" in lines[0]
    assert Purchase.objects.get(pk=purchase.pk).review_evidence["faults"]


def test_a_refund_that_went_on_at_stripe_is_followed(alice, on_sale, run_tasks):
    services.request_refund(bought(alice, on_sale()).pk, reason="Sold the car.")
    run_tasks()
    Refund.objects.update(status="pending")
    Purchase.objects.update(status="refunding")
    lines, remain = reconcile()
    assert not remain
    assert lines[0].endswith("is succeeded; it is succeeded now")
    assert Purchase.objects.get().status == "refunded"


def test_a_refund_whose_answer_was_lost_is_taken_in(alice, on_sale):
    purchase = bought(alice, on_sale())
    refund = services.request_refund(purchase.pk, reason="Lost.")
    gateway.create_refund(refund, purchase.payment.intent_id)
    lines, remain = reconcile()
    assert not remain
    assert lines[0].endswith("not in our books; taken in")
    assert (Refund.objects.get().status, Purchase.objects.get().status) == ("succeeded", "refunded")


def test_a_refund_of_another_amount_is_printed(alice, on_sale, run_tasks):
    services.request_refund(bought(alice, on_sale()).pk, reason="Sold the car.")
    run_tasks()
    Refund.objects.update(amount=499)
    lines, remain = reconcile()
    assert remain
    assert "ours is of 499, Stripe's" in lines[0]


def test_a_refund_that_stripe_does_not_know_is_printed(alice, on_sale):
    refund = services.request_refund(bought(alice, on_sale()).pk, reason="Sold the car.")
    Refund.objects.update(status="pending", stripe_id="re_gone")
    lines, remain = reconcile()
    assert remain
    assert f"refund {refund.pk} of purchase {refund.payment.purchase_id}: Stripe does not know re_gone" in lines


def test_a_refund_made_by_hand_is_flagged_until_finance_takes_the_purchase_out(alice, fiona, on_sale):
    purchase = bought(alice, on_sale())
    with pytest.raises(NotRefundable):
        services.void_purchase(purchase.pk, reason="Its money is still here.")
    by_hand = stripe.Refund.create(payment_intent=purchase.payment.intent_id)
    assert "not in our books" in reconcile("--dry-run")[0][0]
    for _ in range(2):
        lines, remain = reconcile()
        assert remain
        assert lines[0].endswith("not in our books; it was made by hand; flagged for finance")
    purchase.refresh_from_db()
    assert purchase.review_evidence["refunds"] == {by_hand.id: 500}
    assert (purchase.status, len(purchase.review_evidence["faults"])) == ("paid", 1)
    services.void_purchase(purchase.pk, reason="Refunded in the dashboard.", actor=fiona)
    assert not reconcile()[1]


def test_a_part_of_the_money_sent_back_by_hand_does_not_take_a_purchase_out(alice, on_sale):
    purchase = bought(alice, on_sale())
    stripe.Refund.create(payment_intent=purchase.payment.intent_id, amount=100)
    assert reconcile()[1]
    with pytest.raises(NotRefundable):
        services.void_purchase(purchase.pk, reason="Most of it is still here.")


def test_a_dispute_of_which_nobody_told_us_is_noted(alice, on_sale, own_stripe):
    purchase = bought(alice, on_sale())
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    assert reconcile("--dry-run")[1]
    assert not Dispute.objects.exists()
    lines, remain = reconcile()
    assert not remain
    assert lines[0].startswith(f"dispute {dispute['id']} of payment {purchase.payment.pk} of purchase {purchase.pk}")
    assert Dispute.objects.get().status == "needs_response"
    stripe.Dispute.close(dispute["id"])
    Dispute.objects.update(opened_at=timezone.now() - timedelta(days=60))
    [gone_on] = services.Comparison(repair=True).unfinished(timezone.now() - timedelta(days=1))
    assert gone_on.repaired
    assert Dispute.objects.get().status == "lost"
    assert not list(services.Comparison(repair=True).unfinished(timezone.now()))


WRONG = {
    "held": ("UPDATE raffles_ticketcounter SET held = held + 1", "held is 2, its purchases have 1"),
    "sold": ("UPDATE raffles_ticketcounter SET sold = sold + 1", "sold is 6, its purchases have 5"),
    "postal": ("UPDATE raffles_ticketcounter SET postal = 1", "postal is 1, its purchases have 0"),
    "tally": ("UPDATE purchases_persontally SET taken = taken + 1", "the tally is 4, their purchases have 3"),
    "no tally": ("DELETE FROM purchases_persontally", "the tally is 0, their purchases have 3"),
    "a gap": (
        "UPDATE purchases_purchase SET first_ticket = 5 WHERE first_ticket = 4",
        "numbers go on with 5 after 3",
    ),
    "twice": (
        "UPDATE purchases_purchase SET first_ticket = 3 WHERE first_ticket = 4",
        "numbers go on with 3 after 3",
    ),
    "no payment": ("UPDATE purchases_payment SET status = 'failed'", "it is paid, and no payment of it succeeded"),
    "no tickets": (
        "UPDATE purchases_purchase SET status = 'expired', first_ticket = NULL WHERE first_ticket = 4",
        "its money bought nothing, the purchase is expired",
    ),
    "expired with numbers": (
        "UPDATE purchases_purchase SET status = 'expired' WHERE first_ticket = 4",
        "it has numbers and is expired",
    ),
    "no refund": (
        "UPDATE purchases_purchase SET status = 'refunding' WHERE first_ticket = 4",
        "it is refunding, and its refunds are none",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_books_that_do_not_add_up_are_printed(wrong, alice, bob, on_sale):
    raffle = on_sale()
    seated(alice, raffle, 3)
    seated(bob, raffle, 2)
    hold(bob, raffle, 1)
    Payment.objects.filter(purchase__status="paid").update(intent_id=None)
    assert not reconcile()[1]
    statement, fault = WRONG[wrong]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE purchases_purchase DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE purchases_purchase ENABLE TRIGGER USER")
    lines, remain = reconcile()
    assert remain
    assert any(line.endswith(fault) for line in lines), lines


def test_money_that_finance_looks_at_is_not_reported_again(alice, on_sale):
    purchase = buy(alice, on_sale())
    stripe.PaymentIntent.modify(purchase.payment.intent_id, amount=400)
    pay(purchase.payment.client_secret).raise_for_status()
    assert services.settle_purchase(purchase.pk).status == "review"
    assert not reconcile()[1]


def test_what_finance_has_settled_is_named_no_more_until_it_changes(alice, bob, fiona, audrey, on_sale, client):
    mine, other = bought(alice, on_sale()), bought(bob, on_sale())
    for purchase in (mine, other):
        stripe.Refund.create(payment_intent=purchase.payment.intent_id, amount=100)
    lines, remain = reconcile()
    assert remain
    named = [line for line in lines if "made by hand" in line]
    assert len(named) == 2
    now = timezone.now()
    Reconciliation.objects.create(since=now, until=now, reached=now, finished_at=now, remaining=named)
    add, settled = "/admin/purchases/settleddifference/add/", services.key_of(named[0])
    client.force_login(audrey)
    assert client.get(add).status_code == 403
    client.force_login(fiona)
    assert client.post(add, {"text": "refund of somebody's", "reason": "Goodwill."}).status_code == 200
    assert client.post(add, {"text": settled, "reason": "Good\u2028will."}).status_code == 200
    assert client.post(add, {"text": settled, "reason": "Goodwill."}).status_code == 302
    lines, remain = reconcile()
    assert [line for line in lines if "made by hand" in line] == [named[1]]
    assert remain
    assert [line for line in reconcile("--dry-run")[0] if line.startswith("refund ")] == [services.key_of(named[1])]
    entry = AuditEntry.objects.get(action="difference.settled")
    assert (entry.actor, entry.after) == (fiona.pk, {"difference": settled, "reason": "Goodwill."})
    services.settle_difference(named[1], reason="Goodwill too.", actor=fiona)
    assert not reconcile()[1]


def test_what_cannot_be_compared_is_printed_and_keeps_no_other(alice, bob, on_sale, monkeypatch):
    raffle = on_sale()
    broken, fine = buy(alice, raffle), buy(bob, raffle)
    for purchase in (broken, fine):
        pay(purchase.payment.client_secret).raise_for_status()
    settle = comparison.apply_intent

    def fail(payment, intent):
        if payment.purchase_id == broken.pk:
            raise KeyError("of another world")
        settle(payment, intent)

    monkeypatch.setattr(comparison, "apply_intent", fail)
    lines, remain = reconcile()
    assert remain
    assert f"{broken.payment.intent_id}: cannot be compared: KeyError('of another world')" in lines
    assert Purchase.objects.get(pk=fine.pk).status == "paid"


def test_a_hundred_and_more_are_compared_page_by_page(db):
    for _ in range(103):
        stripe.PaymentIntent.create(amount=500, currency="gbp")
    assert reconcile()[0][0].startswith("103 objects")


def test_without_stripe_it_says_how_far_it_came(monkeypatch):
    monkeypatch.setattr(stripe, "api_base", "http://127.0.0.1:1")
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    with pytest.raises(CommandError, match="Compared until 20"):
        call_command("reconcile")


@pytest.mark.parametrize("since", ["48h", "30m", "7d", "2026-11-01", "2026-11-01T12:00:00+01:00"])
def test_since_when_is_a_date_a_time_or_how_long_ago(since, monkeypatch):
    monkeypatch.setattr(services.Comparison, "between", lambda *arguments: iter(()))
    assert call_command("reconcile", since=since, stdout=StringIO()) is None


@pytest.mark.parametrize("since", ["", "yesterday", "-1h", "48", "2026-13-01", "2026-11-01T25:00", "2999-01-01", "9h9"])
def test_any_other_since_is_refused(since):
    with pytest.raises(CommandError, match=r"neither a date|future"):
        call_command("reconcile", since=since)


class TestDaily:
    """What a worker does by itself."""

    @pytest.fixture(autouse=True)
    def due(self, db):
        services.begin_watching()
        StripeWatch.objects.update(compared_at=timezone.now() - timedelta(days=1))

    def test_once_a_day_a_comparison_is_ordered(self):
        assert [bool(services.order_reconciliation()) for _ in range(3)] == [True, False, False]

    def test_it_repairs_and_logs_and_tells_finance_of_what_is_left(self, alice, bob, fiona, on_sale, run_tasks, caplog):
        raffle = on_sale()
        purchase = buy(alice, raffle)
        pay(purchase.payment.client_secret).raise_for_status()
        by_hand = bought(bob, raffle)
        stripe.Refund.create(payment_intent=by_hand.payment.intent_id)
        run = services.order_reconciliation()
        # Stripe counts in whole seconds, and this one is not over.
        Reconciliation.objects.update(until=timezone.now() + timedelta(seconds=1))
        run_tasks()
        run.refresh_from_db()
        assert run.finished_at
        assert (run.compared, run.repaired, len(run.remaining)) == (3, 1, 1)
        assert "made by hand" in run.remaining[0]
        assert f"reconciliation: {run.remaining[0]}" in caplog.text
        [told] = Notification.objects.mails().filter(kind="books_differ")
        assert (told.user, told.context["differences"]) == (fiona, run.remaining)
        assert run.remaining[0][:60] in compose(told).body
        assert Purchase.objects.get(pk=purchase.pk).status == "paid"
        assert tasks.compare_books() == 0

    def test_it_goes_on_where_it_stopped(self, monkeypatch):
        monkeypatch.setattr(runs, "BUDGET_SECONDS", -1)
        monkeypatch.setattr(runs, "STRETCH", timedelta(hours=6))
        run = services.order_reconciliation()
        reached = []
        while Reconciliation.objects.filter(finished_at=None).exists():
            tasks.continue_reconciliation(str(run.pk))
            run.refresh_from_db()
            reached.append(run.reached)
        assert reached == sorted(reached)
        assert reached[0] < reached[-1] == run.until

    def test_without_stripe_it_is_tried_again(self, monkeypatch, caplog):
        monkeypatch.setattr(stripe, "api_base", "http://127.0.0.1:1")
        monkeypatch.setattr(stripe, "max_network_retries", 0)
        assert tasks.compare_books() == 1
        run = Reconciliation.objects.get()
        tasks.continue_reconciliation(str(run.pk))
        assert f"comparison {run.pk} waits" in caplog.text
        run.refresh_from_db()
        assert (run.finished_at, run.reached) == (None, run.since)


def test_a_card_whose_refund_fails_later_is_no_difference_once_followed(alice, on_sale, own_stripe, run_tasks):
    purchase = buy(alice, on_sale())
    confirm(purchase.payment.client_secret, "pm_card_refundFail").raise_for_status()
    services.settle_purchase(purchase.pk)
    refund = services.request_refund(purchase.pk, reason="Sold the car.")
    run_tasks()
    own_stripe(f"refunds/{Refund.objects.get().stripe_id}/finish")
    assert reconcile()[0][0].endswith("is failed; it is failed now")
    refund.refresh_from_db()
    assert (refund.status, Purchase.objects.get().status) == ("failed", "refunding")
    assert not reconcile()[1]


def test_money_sent_by_hand_that_came_back_unheard_is_found(alice, on_sale, own_stripe, run_tasks):
    purchase = buy(alice, on_sale())
    confirm(purchase.payment.client_secret, "pm_card_refundFail").raise_for_status()
    services.settle_purchase(purchase.pk)
    made = stripe.Refund.create(payment_intent=purchase.payment.intent_id)
    services.note_refund(made.id)
    raffle_services.cancel_raffle(purchase.raffle_id, reason="The car is gone.")
    run_tasks()
    assert (Purchase.objects.get().status, Refund.objects.count()) == ("void", 0)
    own_stripe(f"refunds/{made.id}/finish")
    assert reconcile("--dry-run")[1]
    assert "made by hand, failed" in reconcile()[0][0]
    assert (Refund.objects.get().status, Purchase.objects.get().status) == ("failed", "refunding")
    assert not reconcile()[1]
