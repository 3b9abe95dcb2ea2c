"""Refunds at which Stripe itself fails, which it repeats for a day under the key: made all the same, and once."""

import pytest
import stripe

from purchases import gateway, services, tasks
from purchases.errors import ProviderFailed
from purchases.models import Refund
from purchases.tests.stage import at_once, bought

REFUNDS = "^/v1/refunds$"


@pytest.fixture
def wanted(alice, on_sale, trouble):
    """A refund that Stripe was not asked for yet."""
    return services.request_refund(bought(alice, on_sale()).pk, reason="Sold the car.")


@pytest.fixture
def made(wanted):
    """What Stripe has refunded of it."""
    return lambda: stripe.Refund.list(payment_intent=wanted.payment.intent_id).data


def later():
    """The sweep's next round."""
    Refund.objects.update(claimed_until=None)
    return tasks.carry_out_open_refunds()


def state():
    return Refund.objects.values_list("status", "spent_keys", "payment__purchase__status").get()


def test_where_nothing_was_made_it_is_asked_for_under_another_key(wanted, made, trouble, run_tasks):
    trouble(REFUNDS, method="POST", status=500, keep=True)
    tasks.execute_refund(str(wanted.pk))
    assert (state(), made()) == (("requested", 1, "refunding"), [])
    # The first key's answer stays what it was.
    with pytest.raises(ProviderFailed):
        gateway.create_refund(wanted, wanted.payment.intent_id)
    assert later() == 1
    run_tasks()
    assert state() == ("succeeded", 1, "refunded")
    assert [each.amount for each in made()] == [500]


def test_where_it_was_made_nevertheless_it_is_found(wanted, made, trouble, run_tasks):
    trouble(REFUNDS, method="POST", status=500, after=True, keep=True)
    tasks.execute_refund(str(wanted.pk))
    assert (state(), len(made())) == (("requested", 1, "refunding"), 1)
    later()
    run_tasks()
    assert state() == ("succeeded", 1, "refunded")
    assert [each.id for each in made()] == [Refund.objects.get().stripe_id]


def test_one_that_only_turns_up_after_the_next_was_asked_for_is_taken_all_the_same(wanted, made, trouble, monkeypatch):
    trouble(REFUNDS, method="POST", status=500, after=True, keep=True)
    tasks.execute_refund(str(wanted.pk))
    find, looks = gateway.find_refund, []

    def late(*refund):
        looks.append(refund)
        return find(*refund) if len(looks) > 1 else None

    monkeypatch.setattr(gateway, "find_refund", late)
    tasks.execute_refund(str(wanted.pk))
    assert (state(), len(made()), len(looks)) == (("succeeded", 1, "refunded"), 1, 2)


def test_one_made_by_hand_meanwhile_is_not_taken_for_ours(wanted, made, trouble):
    trouble(REFUNDS, method="POST", status=500, keep=True)
    tasks.execute_refund(str(wanted.pk))
    stripe.Refund.create(payment_intent=wanted.payment.intent_id)
    tasks.execute_refund(str(wanted.pk))
    assert (state(), Refund.objects.get().stripe_id) == (("closed", 1, "void"), None)


def test_a_key_is_spent_at_each_failure_and_the_news_of_an_earlier_key_is_still_ours(wanted, made, trouble):
    trouble(REFUNDS, method="POST", status=500, keep=True)
    tasks.execute_refund(str(wanted.pk))
    trouble(REFUNDS, method="POST", status=500, keep=True)
    tasks.execute_refund(str(wanted.pk))
    assert state() == ("requested", 2, "refunding")
    # Of the first key, which Stripe's event tells of.
    said = stripe.Refund.create(
        payment_intent=wanted.payment.intent_id, metadata={"refund": str(wanted.pk), "attempt": "1"}
    )
    services.note_refund(said.id)
    assert state() == ("succeeded", 2, "refunded")


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_a_spent_key_make_one_refund(wanted, made, trouble):
    trouble(REFUNDS, method="POST", status=500, keep=True)
    at_once(*[lambda: tasks.execute_refund(str(wanted.pk))] * 4)
    at_once(*[lambda: tasks.execute_refund(str(wanted.pk))] * 4)
    tasks.execute_refund(str(wanted.pk))
    assert len(made()) == 1
    assert state()[::2] == ("succeeded", "refunded")
