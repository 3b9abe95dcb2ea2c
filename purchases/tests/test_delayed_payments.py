"""Payments over which a bank takes days: a state of the purchase, whatever comes of it and however late."""

from datetime import timedelta

import pytest
import stripe
from django.core import mail
from django.utils import timezone

from accounts.models import Notification
from accounts.services import exclude_from_buying, pause_buying
from purchases import services, tasks
from purchases.models import Payment, Purchase, Refund, StripeNotice
from purchases.tests.stage import buy, confirm, counts, over, pay
from raffles import services as raffle_services

GOOD_ACCOUNT, EMPTY_ACCOUNT = "pm_sepaDebit_success_de", "pm_sepaDebit_failed_de"


@pytest.fixture
def debited(own_stripe, hear, alice, on_sale):
    """Alice pays two tickets by debit; `debited(account)` is her purchase while the bank works."""

    def start(account=GOOD_ACCOUNT):
        purchase = buy(alice, on_sale(currency="eur"), 2)
        confirm(purchase.payment.client_secret, account).raise_for_status()
        hear()
        purchase.refresh_from_db()
        return purchase

    return start


@pytest.fixture
def bank(own_stripe):
    """The bank's answer comes: `bank(purchase)`."""
    return lambda purchase: own_stripe(f"payment_intents/{purchase.payment.intent_id}/finish")


def states(purchase):
    """Of the purchase and its payment."""
    return Purchase.objects.get(pk=purchase.pk).status, Payment.objects.get(purchase=purchase).status


def kinds():
    return list(Notification.objects.mails().order_by("id").values_list("kind", flat=True))


def test_the_tickets_stay_held_while_the_bank_works_and_are_given_when_the_money_comes(debited, bank, hear):
    purchase = debited()
    assert states(purchase) == ("processing", "processing")
    assert counts(purchase.raffle) == (2, 0)
    # Until nobody could be drawn any more.
    assert purchase.expires_at > purchase.raffle.closes_at
    assert services.settle_purchase(purchase.pk).client_secret is None
    bank(purchase)
    hear()
    assert states(purchase) == ("paid", "succeeded")
    assert counts(purchase.raffle) == (0, 2)
    assert kinds() == ["purchase_processing", "purchase_paid"]
    assert not StripeNotice.objects.exists()


def test_a_bank_that_says_no_leaves_the_usual_time_to_pay_otherwise(debited, bank, hear, settings):
    purchase = debited(EMPTY_ACCOUNT)
    bank(purchase)
    hear()
    assert states(purchase) == ("pending", "open")
    purchase.refresh_from_db()
    left = purchase.expires_at - timezone.now()
    assert timedelta(seconds=settings.HOLD_SECONDS - 60) < left <= timedelta(seconds=settings.HOLD_SECONDS)
    assert counts(purchase.raffle) == (2, 0)
    assert kinds() == ["purchase_processing", "payment_failed"]
    pay(purchase.payment.client_secret).raise_for_status()
    hear()
    assert states(purchase) == ("paid", "succeeded")
    assert counts(purchase.raffle) == (0, 2)


def _deactivate(user):
    user.is_active = False
    user.save()


BARS = {
    "excluded": lambda user: exclude_from_buying(user, months=6, password=None, actor=user),
    "paused": lambda user: pause_buying(user, hours=24, actor=user),
    "deactivated": _deactivate,
}


@pytest.mark.parametrize("bar", BARS)
def test_a_bank_that_says_no_opens_no_new_checkout_for_somebody_who_may_not_buy(bar, alice, debited, bank, hear):
    purchase = debited(EMPTY_ACCOUNT)
    BARS[bar](alice)
    hear()
    assert states(purchase) == ("processing", "processing")
    bank(purchase)
    hear()
    assert states(purchase) == ("expired", "canceled")
    assert counts(purchase.raffle) == (0, 0)
    assert "payment_failed" not in kinds()
    assert pay(purchase.payment.client_secret).is_error


def test_the_money_of_a_bank_that_says_yes_after_an_exclusion_goes_back(alice, debited, bank, hear):
    purchase = debited()
    BARS["excluded"](alice)
    bank(purchase)
    hear()
    assert states(purchase) == ("refunded", "succeeded")
    assert Refund.objects.get().reason == "You excluded yourself from buying before your payment arrived."


def test_a_bank_that_says_no_and_a_buyer_who_does_not_come_back(debited, bank, hear, run_tasks):
    purchase = debited(EMPTY_ACCOUNT)
    bank(purchase)
    hear()
    Purchase.objects.update(expires_at=timezone.now())
    run_tasks()
    assert states(purchase) == ("expired", "canceled")
    assert counts(purchase.raffle) == (0, 0)


def test_an_outcome_of_which_no_event_tells_is_asked_for_every_ten_minutes(debited, bank, run_tasks):
    purchase = debited()
    notice = StripeNotice.objects.get()
    wait = notice.claimed_until - timezone.now()
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)
    bank(purchase)
    assert tasks.take_up_news() == 0
    StripeNotice.objects.update(claimed_until=timezone.now())
    run_tasks()
    assert states(purchase) == ("paid", "succeeded")
    assert not StripeNotice.objects.exists()


def test_no_raffle_waits_for_a_bank_and_late_money_goes_back(debited, bank, hear, run_tasks):
    purchase = debited()
    over(purchase.raffle)
    Purchase.objects.update(expires_at=timezone.now())
    run_tasks()
    assert states(purchase) == ("expired", "processing")
    assert counts(purchase.raffle) == (0, 0)
    bank(purchase)
    hear()
    assert states(purchase) == ("refunded", "succeeded")
    assert Refund.objects.get().reason == "The payment came after the tickets were given back to the sale."
    assert stripe.Refund.list(payment_intent=purchase.payment.intent_id).data[0].amount == purchase.amount
    assert kinds() == ["purchase_processing", "purchase_refunded"]


def test_a_raffle_over_and_a_bank_that_says_no_leave_nothing(debited, bank, hear, run_tasks):
    purchase = debited(EMPTY_ACCOUNT)
    over(purchase.raffle)
    Purchase.objects.update(expires_at=timezone.now())
    run_tasks()
    bank(purchase)
    hear()
    run_tasks()
    assert states(purchase) == ("expired", "canceled")
    assert counts(purchase.raffle) == (0, 0)
    assert not Refund.objects.exists()


def test_a_raffle_cancelled_meanwhile_lets_go_and_sends_back_what_comes(debited, bank, hear, run_tasks):
    purchase = debited()
    raffle_services.cancel_raffle(purchase.raffle_id, reason="The watch was stolen.")
    run_tasks()
    assert states(purchase) == ("expired", "processing")
    assert counts(purchase.raffle) == (0, 0)
    bank(purchase)
    hear()
    assert states(purchase) == ("refunded", "succeeded")
    assert Refund.objects.get().reason == "The watch was stolen."
    (told,) = [message for message in mail.outbox if message.subject.startswith("Your refund for")]
    assert "The raffle was cancelled. The watch was stolen." in told.body
    assert len(stripe.Refund.list(payment_intent=purchase.payment.intent_id).data) == 1


def holding(purchase):
    purchase.refresh_from_db()
    return purchase.status, purchase.expires_at


def by_debit(buyer, raffle, hear, quantity=1, account=GOOD_ACCOUNT):
    purchase = buy(buyer, raffle, quantity)
    confirm(purchase.payment.client_secret, account).raise_for_status()
    hear()
    purchase.refresh_from_db()
    return purchase


def test_no_time_is_given_beyond_the_closing_and_what_a_hold_lasts(debited, settings):
    purchase = debited()
    assert purchase.expires_at == purchase.raffle.closes_at + timedelta(seconds=settings.HOLD_SECONDS)


def test_a_bank_that_says_no_after_the_closing_gives_no_time(debited, bank, hear):
    purchase = debited(EMPTY_ACCOUNT)
    over(purchase.raffle)
    raffle_services.close_raffle(purchase.raffle_id)
    bank(purchase)
    hear()
    assert states(purchase) == ("expired", "canceled")
    assert counts(purchase.raffle) == (0, 0)
    assert "payment_failed" not in kinds()


def test_who_pays_by_debit_after_the_closing_keeps_the_time_there_was(own_stripe, hear, alice, on_sale):
    purchase = buy(alice, on_sale(currency="eur"))
    before = holding(purchase)
    over(purchase.raffle)
    confirm(purchase.payment.client_secret, GOOD_ACCOUNT).raise_for_status()
    hear()
    assert holding(purchase) == before


def test_all_debits_together_hold_the_share_of_the_terms_and_no_more(own_stripe, hear, alice, bob, people, on_sale):
    raffle = on_sale(currency="eur", capacity=20, debit_percent=25)
    first, second = by_debit(alice, raffle, hear, 3), by_debit(bob, raffle, hear, 3)
    third = by_debit(people(1)[0], raffle, hear, 2)
    assert [each.status for each in (first, second, third)] == ["processing", "pending", "processing"]
    assert kinds() == ["purchase_processing"] * 3
    told = [each.context.get("until") for each in Notification.objects.mails().order_by("id")]
    assert (told[0], told[1], told[2]) == (None, second.expires_at.isoformat(), None)


def test_what_is_not_held_for_a_bank_ends_in_its_time_and_is_paid_late_if_there_is_room(
    own_stripe, hear, alice, on_sale, bank, run_tasks
):
    purchase = by_debit(alice, on_sale(currency="eur", debit_percent=0), hear)
    assert purchase.status == "pending"
    Purchase.objects.update(expires_at=timezone.now())
    run_tasks()
    assert states(purchase) == ("expired", "processing")
    assert counts(purchase.raffle) == (0, 0)
    bank(purchase)
    hear()
    assert states(purchase) == ("paid", "succeeded")


def test_one_purchase_of_a_person_is_held_for_a_bank_at_a_time(own_stripe, hear, alice, on_sale):
    raffle = on_sale(currency="eur")
    assert [by_debit(alice, raffle, hear).status for _ in range(2)] == ["processing", "pending"]
    assert by_debit(alice, on_sale(currency="eur"), hear).status == "processing"


def test_after_two_refusals_nothing_of_a_person_is_held_for_a_bank_any_more(own_stripe, hear, alice, on_sale, bank):
    raffle = on_sale(currency="eur")
    purchase = by_debit(alice, raffle, hear, account=EMPTY_ACCOUNT)
    bank(purchase)
    hear()
    assert states(purchase) == ("pending", "open")
    confirm(purchase.payment.client_secret, EMPTY_ACCOUNT).raise_for_status()
    hear()
    assert states(purchase) == ("processing", "processing")
    bank(purchase)
    hear()
    assert states(purchase) == ("expired", "canceled")
    assert by_debit(alice, raffle, hear).status == "pending"
    assert by_debit(alice, on_sale(currency="eur"), hear).status == "processing"
