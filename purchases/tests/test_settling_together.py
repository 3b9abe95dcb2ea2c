"""Where news of many payments waits, those of a raffle are settled in one transaction: each once, without a gap."""

from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Notification, User
from luxewin.audit.models import AuditEntry
from purchases import gateway, services
from purchases.errors import ProviderUnavailable
from purchases.models import Payment, Purchase, StripeNotice
from purchases.services import settlement
from purchases.tests.books import check_books
from purchases.tests.deaths import mortal
from purchases.tests.stage import RaceBarrier, at_once, buy, counts, hold, pay, unlogged
from raffles.models import Raffle

About = StripeNotice.About


def waiting(buyers: list[User], raffle: Raffle, quantity: int = 2) -> list[str]:
    """Payments that arrived and of which news waits; their intents, in the order of their purchases."""
    intents = []
    for buyer in buyers:
        purchase = buy(buyer, raffle, quantity)
        pay(purchase.payment.client_secret).raise_for_status()
        intents.append(str(purchase.payment.intent_id))
        services.request_sync(About.INTENT, intents[-1])
    return intents


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The intents that Stripe was asked about."""
    asked: list[str] = []
    real = gateway.retrieve_intent
    monkeypatch.setattr(gateway, "retrieve_intent", lambda intent_id: asked.append(intent_id) or real(intent_id))
    return asked


def numbers(raffle: Raffle) -> list[tuple[int, int]]:
    """The first number and the quantity of each paid purchase."""
    return sorted(Purchase.objects.paid().filter(raffle=raffle).values_list("first_ticket", "quantity"))


def test_one_task_settles_all_that_wait_with_one_look_at_each(people, on_sale, looks, run_tasks):
    raffle = on_sale()
    intents = waiting(people(5), raffle)
    OrmQ.objects.all().delete()
    services.sync_object(intents[2])
    assert numbers(raffle) == [(1, 2), (3, 2), (5, 2), (7, 2), (9, 2)]
    assert sorted(looks) == sorted(intents)
    assert counts(raffle) == (0, 10)
    assert not StripeNotice.objects.exists()
    for action in ("payment.succeeded", "purchase.paid"):
        assert AuditEntry.objects.filter(action=action).count() == 5
    for intent in intents:
        services.sync_object(intent)
    assert len(looks) == 5
    run_tasks()
    assert Notification.objects.mails().filter(kind="purchase_paid").count() == 5
    check_books()


def test_more_payments_cost_no_more_statements(people, on_sale):
    found, buyers = [], people(6)
    for size in (2, 6):
        intents = waiting(buyers[:size], on_sale())
        with CaptureQueriesContext(connection) as captured:
            services.sync_object(intents[0])
        assert not StripeNotice.objects.exists()
        found.append([query["sql"][:9] for query in captured])
    assert found[0] == found[1]


def _wrong_amount(purchase: Purchase) -> None:
    Purchase.objects.filter(pk=purchase.pk).update(amount=purchase.amount + 1)


def _closed_account(purchase: Purchase) -> None:
    User.objects.filter(pk=purchase.buyer_id).update(is_active=False)


def _expired(purchase: Purchase) -> None:
    Purchase.objects.filter(pk=purchase.pk).update(expires_at=timezone.now())


@pytest.mark.parametrize(
    ("change", "status"), [(_wrong_amount, "review"), (_closed_account, "refunding"), (_expired, "paid")]
)
def test_what_needs_a_decision_is_decided_by_itself(change, status, people, on_sale):
    raffle = on_sale()
    intents = waiting(people(3), raffle)
    odd = Purchase.objects.get(payments__intent_id=intents[1])
    change(odd)
    services.sync_object(intents[0])
    together = 3 if status == "paid" else 2
    assert numbers(raffle) == [(1 + 2 * each, 2) for each in range(together)]
    services.sync_object(intents[1])
    odd.refresh_from_db()
    assert odd.status == status
    assert not StripeNotice.objects.exists()


def test_payments_of_other_raffles_and_unpaid_ones_are_left_to_their_own_tasks(people, on_sale, looks):
    first, second = on_sale(), on_sale(title="Another watch")
    buyers = people(3)
    ours, theirs = waiting(buyers[:2], first), waiting(buyers[:2], second)
    unpaid = str(buy(buyers[2], first).payment.intent_id)
    services.request_sync(About.INTENT, unpaid)
    services.sync_object(ours[0])
    assert (numbers(first), numbers(second)) == ([(1, 2), (3, 2)], [])
    assert set(looks) == {*ours, unpaid}
    assert set(StripeNotice.objects.values_list("pk", flat=True)) == {unpaid, *theirs}
    services.sync_object(unpaid)
    services.sync_object(theirs[1])
    assert numbers(second) == [(1, 2), (3, 2)]
    assert not StripeNotice.objects.exists()


def test_news_that_came_meanwhile_gets_a_look_of_its_own(people, on_sale, monkeypatch):
    intents = waiting(people(2), on_sale())
    real = settlement._issue_tickets

    def hear(purchases: Any) -> None:
        real(purchases)
        StripeNotice.objects.filter(pk=intents[1]).update(noted_at=timezone.now())

    monkeypatch.setattr(settlement, "_issue_tickets", hear)
    services.sync_object(intents[0])
    assert list(StripeNotice.objects.values_list("pk", flat=True)) == [intents[1]]


def test_what_another_worker_took_is_not_taken_again(people, on_sale, looks):
    intents = waiting(people(3), on_sale())
    lease = services.NOTICE_LEASE
    StripeNotice.objects.filter(pk=intents[2]).update(claimed_until=timezone.now() + 2 * lease)
    services.sync_object(intents[0])
    assert set(looks) == set(intents[:2])


def test_where_stripe_stops_answering_what_it_said_counts(people, on_sale, monkeypatch, looks):
    raffle = on_sale()
    intents = waiting(people(3), raffle)
    real = gateway.retrieve_intent

    def silent(intent_id: str) -> Any:
        if intent_id == intents[2]:
            raise ProviderUnavailable("no answer")
        return real(intent_id)

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "retrieve_intent", silent)
        settlement.settle_together(intents)
    assert len(numbers(raffle)) == 2
    for intent in intents:
        services.sync_object(intent)
    assert numbers(raffle) == [(1, 2), (3, 2), (5, 2)]
    assert not StripeNotice.objects.exists()


def test_stripe_is_asked_about_several_at_once_while_no_connection_is_held(people, on_sale, monkeypatch):
    raffle = on_sale()
    intents = waiting(people(3), raffle)
    together, real, events = Barrier(3, timeout=60), gateway.retrieve_intent, []

    def meet(intent_id: str) -> Any:
        events.append("asked")
        together.wait()
        return real(intent_id)

    monkeypatch.setattr(gateway, "retrieve_intent", meet)
    monkeypatch.setattr(gateway, "release_connection", lambda: events.append("released"))
    services.sync_object(intents[0])
    assert events == ["released", "asked", "asked", "asked"]
    assert numbers(raffle) == [(1, 2), (3, 2), (5, 2)]


def test_once_stripe_is_silent_the_rest_of_a_batch_is_not_asked_about(people, on_sale, monkeypatch):
    intents = waiting(people(3), on_sale())
    asked: list[str] = []

    def silent(intent_id: str) -> Any:
        asked.append(intent_id)
        raise ProviderUnavailable("no answer")

    monkeypatch.setattr(settlement, "ASKED_AT_ONCE", 1)
    monkeypatch.setattr(gateway, "retrieve_intent", silent)
    assert settlement.settle_together(intents) == {}
    assert len(asked) == 1


def test_what_needs_a_decision_is_asked_about_once(people, on_sale, looks):
    raffle = on_sale()
    intents = waiting(people(2), raffle)
    odd = Purchase.objects.get(payments__intent_id=intents[0])
    _wrong_amount(odd)
    services.sync_object(intents[0])
    odd.refresh_from_db()
    assert odd.status == "review"
    assert sorted(looks) == sorted(intents)
    assert numbers(raffle) == [(1, 2)]


def test_a_batch_that_fails_holds_up_nobody(people, on_sale, monkeypatch):
    raffle = on_sale()
    intents = waiting(people(3), raffle)
    real = settlement._issue_tickets

    def refuse(purchases: Any) -> None:
        if len(purchases) > 1:
            raise DatabaseError("one of them cannot be written")
        real(purchases)

    monkeypatch.setattr(settlement, "_issue_tickets", refuse)
    for intent in intents:
        services.sync_object(intent)
    assert numbers(raffle) == [(1, 2), (3, 2), (5, 2)]
    assert not StripeNotice.objects.exists()
    check_books()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("place", "settled"),
    [
        ("purchases.gateway.retrieve_intent", 0),
        ("purchases.services.settlement.record_all", 0),
        ("purchases.services.settlement.count_sale", 0),
        ("purchases.services.settlement._issue_tickets", 0),
        ("purchases.services.pending_syncs.LOOKS", 3),
    ],
)
def test_a_sudden_death_loses_and_doubles_nothing(place, settled, people, on_sale, monkeypatch, run_tasks):
    raffle = on_sale()
    intents = waiting(people(3), raffle)
    if settled:  # after the commit, before anything is removed
        monkeypatch.setattr("purchases.services.pending_syncs.DROP_SETTLED", "SELECT %s, %s")
        services.sync_object(intents[0])
        monkeypatch.undo()
        services.request_sync(About.INTENT, intents[0])
    else:
        with mortal(place) as deaths:
            services.sync_object(intents[0])
        assert deaths
    assert len(numbers(raffle)) == settled
    assert StripeNotice.objects.count() == 3
    for intent in intents:
        services.sync_object(intent)
    assert numbers(raffle) == [(1, 2), (3, 2), (5, 2)]
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 3
    assert not StripeNotice.objects.exists()
    run_tasks()
    assert Notification.objects.mails().filter(kind="purchase_paid").count() == 3
    check_books()


def _at_once(intents: list[str]) -> list[Any]:
    calls: list[Callable[[], None]] = [lambda: settlement.settle_together(intents)] * 2
    return at_once(*calls, lambda: services.settle_intent(intents[1]))


@pytest.mark.django_db(transaction=True)
def test_numbers_are_given_twice_without_the_locks(people, bob, on_sale, monkeypatch, without_row_locks):
    raffle = on_sale()
    hold(bob, raffle, 9)  # or the constraint on `held` would stop it
    intents = waiting(people(3), raffle)
    monkeypatch.setattr(settlement, "_end_payments", RaceBarrier(2, patience=60).at(settlement._end_payments))
    with unlogged():
        at_once(*[lambda: settlement.settle_together(intents)] * 2)
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 6
    with pytest.raises(AssertionError, match="held"):
        check_books()


@pytest.mark.django_db(transaction=True)
def test_two_batches_and_one_by_itself_give_each_its_numbers_once(people, bob, on_sale, monkeypatch):
    raffle = on_sale()
    hold(bob, raffle, 9)
    intents = waiting(people(3), raffle)
    monkeypatch.setattr(settlement, "_end_payments", RaceBarrier(2).at(settlement._end_payments))
    assert not any(isinstance(each, Exception) for each in _at_once(intents))
    assert numbers(raffle) == [(1, 2), (3, 2), (5, 2)]
    assert AuditEntry.objects.filter(action="purchase.paid").count() == 3
    assert Payment.objects.filter(status="succeeded").count() == 3
    assert counts(raffle) == (9, 6)
    check_books()


@pytest.mark.django_db(transaction=True)
def test_batches_that_share_payments_in_other_orders_never_wait_for_each_other(people, on_sale):
    raffle = on_sale()
    intents = waiting(people(6), raffle, 1)
    batches = [intents[:4], intents[2:][::-1], intents[::2], intents[::-1]]
    done = at_once(*[lambda batch=batch: settlement.settle_together(batch) for batch in batches])
    assert not any(isinstance(each, Exception) for each in done)
    assert [first for first, _ in numbers(raffle)] == [1, 2, 3, 4, 5, 6]
    check_books()
