"""Races of safeguards: purchases at once beyond a limit, and safeguards set while a purchase is under way.

Each is first shown to break without its guard. What has to happen in between is waited for, not slept for.
"""

import dataclasses
import time
from functools import partial

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.errors import SelfExcluded
from accounts.models import Deletion
from accounts.services import carry_out_deletion, deletion, exclude_from_buying, request_deletion, set_spend_limit
from luxewin.api.problems import Busy
from luxewin.audit.models import AuditEntry
from luxewin.database import causes
from purchases import errors, gateway, services
from purchases.gateway import retrieve_intent as asked
from purchases.models import Payment, Purchase
from purchases.services import postal, settlement
from purchases.services.holds import release_hold
from purchases.services.postal import enter_postal
from purchases.tests.books import check_books
from purchases.tests.limits import passed_limits
from purchases.tests.stage import HOLD_TICKETS, DelayedCall, RaceBarrier, at_once, buy, hold, pay

pytestmark = pytest.mark.django_db(transaction=True)
LOCK_PERSON = "PERFORM FROM accounts_user AS u WHERE u.id = wanted_buyer FOR SHARE;"
LOCK_LIMITS = "PERFORM FROM accounts_spendlimit AS l WHERE l.user_id = wanted_buyer ORDER BY l.currency FOR UPDATE;"
KNOWN = "IF person.is_active IS NOT TRUE"
COUNTED = "    END IF;\n\n    INSERT INTO purchases_persontally"
SLOW = "PERFORM pg_sleep(4);"


def part(begin: str, end: str) -> str:
    """The function's text from one place to before another."""
    return HOLD_TICKETS[HOLD_TICKETS.index(begin) : HOLD_TICKETS.index(end)]


def wait_for(event: str) -> None:
    """Until another connection waits like this: `PgSleep`, or `transactionid` for somebody's lock."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = %s AND datname = current_database()", [event]
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError(f"nobody came to wait for {event}")


@pytest.fixture
def raffles(on_sale):
    """Raffles of different prizes: no row of one is locked by a purchase in another."""
    return [on_sale(slug=f"raffle-{number}") for number in range(4)]


def test_two_raffles_at_once_pass_a_limit_that_is_only_looked_at(alice, raffles, weakened):
    set_spend_limit(alice, currency="gbp", limit=500)
    looked = part(LOCK_LIMITS, COUNTED)
    weakened(looked, looked.replace(LOCK_LIMITS, "") + SLOW)
    at_once(*[lambda raffle=raffle: hold(alice, raffle) for raffle in raffles])
    assert Purchase.objects.count() > 1
    assert list(passed_limits())


def test_purchases_at_once_never_pass_the_limit_whatever_raffles_they_are_in(alice, bob, raffles):
    set_spend_limit(alice, currency="gbp", limit=2_000)
    asks = [lambda raffle=raffle: hold(alice, raffle) for raffle in raffles * 3]
    held = at_once(*asks, *[lambda: hold(bob, raffles[0])] * 4)
    assert all(isinstance(each, Purchase | errors.SpendLimitReached) for each in held), held
    assert Purchase.objects.filter(buyer=alice).count() == 4
    assert Purchase.objects.filter(buyer=bob).count() == 4
    assert list(passed_limits()) == []
    check_books()


def test_limits_that_go_up_and_down_among_purchases_hold_whenever_they_are_in_force(alice, raffles):
    set_spend_limit(alice, currency="gbp", limit=3_000)
    asks = [lambda raffle=raffle: hold(alice, raffle) for raffle in raffles * 3]
    wishes = [lambda wish=wish: set_spend_limit(alice, currency="gbp", limit=wish) for wish in (9_000, 1_000, 1_500)]
    done = at_once(*asks, *wishes)
    assert all(each is None or isinstance(each, Purchase | errors.SpendLimitReached) for each in done), done
    assert list(passed_limits()) == []
    check_books()


def exclude(user):
    """What the person does, and what a worker does as soon as that is committed."""
    exclude_from_buying(user, months=6, password=None, actor=user)
    return services.end_checkouts(user.pk)


def limit(user):
    set_spend_limit(user, currency="gbp", limit=500)


def while_a_hold_is_under_way(user, raffle, act):
    """A hold that has read how its buyer stands, and what happens before it goes on."""

    def meanwhile():
        wait_for("PgSleep")
        return act(user)

    return at_once(lambda: hold(user, raffle), meanwhile)


def slowly(*, locked: bool) -> str:
    """The function's beginning, which takes its time once the person was read."""
    read = part(LOCK_PERSON, KNOWN)
    # Whoever has a limit does not tarry: in one test it is the second, who is to be done first.
    return (read if locked else read.replace(LOCK_PERSON, "")) + f"IF NOT person.is_limited THEN {SLOW} END IF; "


def test_a_hold_outlives_an_exclusion_where_the_person_is_only_looked_at(alice, on_sale, weakened):
    weakened(part(LOCK_PERSON, KNOWN), slowly(locked=False))
    _, ended = while_a_hold_is_under_way(alice, on_sale(), exclude)
    assert ended == 0
    assert Purchase.objects.holding().difference(Purchase.objects.overdue()).count() == 1


def test_an_exclusion_waits_for_a_hold_that_is_under_way_and_lets_it_go(alice, on_sale, weakened):
    weakened(part(LOCK_PERSON, KNOWN), slowly(locked=True))
    held, ended = while_a_hold_is_under_way(alice, on_sale(), exclude)
    assert isinstance(held, Purchase), held
    assert ended == 1, ended
    assert Purchase.objects.overdue().count() == 1


def test_a_hold_waits_for_an_exclusion_that_is_under_way_and_is_refused(alice, on_sale):
    raffle = on_sale()

    def decide():
        with transaction.atomic():
            exclude_from_buying(alice, months=6, password=None, actor=alice)
            began.wait()
            wait_for("transactionid")

    began = RaceBarrier()
    _, refused = at_once(decide, began.at(lambda: hold(alice, raffle)))
    assert isinstance(refused, SelfExcluded), refused
    assert not Purchase.objects.exists()


def test_a_first_limit_is_passed_where_the_person_is_only_looked_at(alice, raffles, weakened):
    weakened(part(LOCK_PERSON, KNOWN), slowly(locked=False))

    def limit_and_buy(user):
        limit(user)
        return hold(user, raffles[1])

    first, second = while_a_hold_is_under_way(alice, raffles[0], limit_and_buy)
    assert isinstance(first, Purchase), first
    assert isinstance(second, Purchase), second
    assert services.spent_this_month(alice.pk) == {"gbp": 1_000}


def test_a_first_limit_waits_for_a_hold_that_is_under_way_and_counts_it(alice, raffles, weakened):
    weakened(part(LOCK_PERSON, KNOWN), slowly(locked=True))

    def limit_and_buy(user):
        limit(user)
        return hold(user, raffles[1])

    first, second = while_a_hold_is_under_way(alice, raffles[0], limit_and_buy)
    assert isinstance(first, Purchase), first
    assert isinstance(second, errors.SpendLimitReached), second
    assert services.spent_this_month(alice.pk) == {"gbp": 500}


def test_no_letter_is_entered_while_an_exclusion_is_being_set_up(alice, sam, on_sale):
    raffle = on_sale()

    def decide():
        with transaction.atomic():
            exclude_from_buying(alice, months=6, password=None, actor=alice)
            began.wait()
            wait_for("transactionid")

    letter = {"raffle_id": raffle.pk, "entrant": alice, "quantity": 1, "reference": "A1", "actor": sam}
    began = RaceBarrier()
    enter = began.at(lambda: enter_postal(**letter, received_on=raffle.published_at.date()))
    _, refused = at_once(decide, enter)
    assert isinstance(refused, errors.EntrantRefused), refused


def test_a_letter_is_entered_while_an_exclusion_is_being_set_up_where_nobody_waits(alice, sam, on_sale, monkeypatch):
    raffle = on_sale()
    monkeypatch.setattr(postal, "lock_eligibility", lambda people: None)
    met = RaceBarrier()

    def decide():
        with transaction.atomic():
            exclude_from_buying(alice, months=6, password=None, actor=alice)
            met.wait()
        return True

    monkeypatch.setattr(postal, "raise_tallies", met.at(postal.raise_tallies))
    letter = {"raffle_id": raffle.pk, "entrant": alice, "quantity": 1, "reference": "A1", "actor": sam}
    done = at_once(decide, lambda: enter_postal(**letter, received_on=raffle.published_at.date()))
    assert done[0] is True
    assert isinstance(done[1], Purchase), done


def paid_while_an_exclusion_is_set_up(user, raffle, monkeypatch):
    """The money is there; whoever settles it is held up after it asked whether the buyer may buy, or before."""
    purchase = buy(user, raffle)
    pay(purchase.payment.client_secret).raise_for_status()
    asked = DelayedCall(monkeypatch, settlement, "_issue_tickets", patience=2)
    settled, _ = at_once(
        lambda: services.settle_purchase(purchase.pk),
        asked.meanwhile(lambda: exclude_from_buying(user, months=6, password=None, actor=user)),
    )
    return settled, AuditEntry.objects.get(action="safeguards.excluded"), AuditEntry.objects.get(action="purchase.paid")


def test_tickets_are_given_after_an_exclusion_where_the_person_is_only_looked_at(alice, on_sale, monkeypatch):
    monkeypatch.setattr(settlement, "lock_eligibility", lambda people: None)
    settled, excluded, paid = paid_while_an_exclusion_is_set_up(alice, on_sale(), monkeypatch)
    assert settled.status == "paid"
    assert excluded.pk < paid.pk


def test_an_exclusion_waits_for_a_settlement_that_is_under_way(alice, on_sale, monkeypatch):
    settled, excluded, paid = paid_while_an_exclusion_is_set_up(alice, on_sale(), monkeypatch)
    assert settled.status == "paid"
    assert paid.pk < excluded.pk
    check_books()


def two_debits_end_after_a_lower_limit(user, raffles, monkeypatch):
    """A limit with room for one of two debits; the second one's bank answers twice while the first's money is taken."""
    second, first = (buy(user, raffle) for raffle in raffles[:2])
    with monkeypatch.context() as banks:
        banks.setattr(gateway, "retrieve_intent", partial(_answer, "processing"))
        services.settle_purchase(first.pk)
    set_spend_limit(user, currency="gbp", limit=700)
    seated = DelayedCall(monkeypatch, settlement, "_issue_tickets", patience=3)

    def second_bank():
        for word in ("processing", "succeeded"):
            payment = Payment.objects.select_related("purchase").get(purchase=second)
            settlement.apply_intent(payment, _answer(word, payment.intent_id))

    def first_bank():
        payment = Payment.objects.select_related("purchase").get(purchase=first)
        settlement.apply_intent(payment, _answer("succeeded", payment.intent_id))

    at_once(first_bank, seated.meanwhile(second_bank))
    return Purchase.objects.filter(pk__in=[first.pk, second.pk], status="paid").count()


def _answer(status, intent_id):
    """What Stripe tells of the intent, but for its status."""
    intent = asked(intent_id)
    received = intent.amount if status == "succeeded" else 0
    return dataclasses.replace(intent, status=status, amount_received=received)


def test_two_debits_pass_a_lower_limit_where_nobody_locks_it(alice, raffles, monkeypatch):
    monkeypatch.setattr(settlement, "lock_limits", lambda *people: None)
    assert two_debits_end_after_a_lower_limit(alice, raffles, monkeypatch) == 2


def test_of_two_debits_only_one_is_seated_within_a_lower_limit(alice, raffles, monkeypatch):
    assert two_debits_end_after_a_lower_limit(alice, raffles, monkeypatch) == 1
    check_books()


def test_settlements_purchases_and_a_lower_limit_at_once_never_wait_for_each_other_in_a_circle(alice, raffles):
    set_spend_limit(alice, currency="gbp", limit=4_000)
    begun = [buy(alice, raffle) for raffle in raffles]
    for purchase in begun:
        pay(purchase.payment.client_secret).raise_for_status()
    done = at_once(
        *[lambda purchase=purchase: services.settle_purchase(purchase.pk) for purchase in begun * 2],
        *[lambda raffle=raffle: hold(alice, raffle) for raffle in raffles],
        lambda: set_spend_limit(alice, currency="gbp", limit=1_000),
        *[lambda: services.check_changed_person(alice.pk)] * 3,
        services.note_blocked_buyers,
    )
    # A busy machine may keep somebody waiting for too long; that is no circle.
    assert all(each is None or isinstance(each, int | Purchase | errors.SpendLimitReached | Busy) for each in done), (
        done
    )
    states = [getattr(cause, "sqlstate", None) for each in done if isinstance(each, Busy) for cause in causes(each)]
    assert "40P01" not in states, done
    for purchase in begun:
        services.settle_purchase(purchase.pk)
    settled = Purchase.objects.filter(pk__in=[each.pk for each in begun])
    assert set(settled.values_list("status", flat=True)) <= {"paid", "refunding"}
    assert settled.filter(status="paid").count() >= 2
    assert list(passed_limits()) == []
    check_books()


def test_late_money_and_a_deletion_do_not_lock_each_other_out(alice, on_sale, monkeypatch):
    late = buy(alice, on_sale())
    pay(late.payment.client_secret).raise_for_status()
    with monkeypatch.context() as patch:
        patch.setattr(Payment, "LIVE", [])
        release_hold(late.pk)
    due = request_deletion(alice, actor=alice)
    Deletion.objects.update(due_at=timezone.now())
    met = RaceBarrier()
    monkeypatch.setattr(settlement, "lock_purchase", met.at(settlement.lock_purchase))
    monkeypatch.setattr(deletion, "ERASERS", [lambda _: met.wait(), *deletion.ERASERS])
    settled, erased = at_once(lambda: services.settle_purchase(late.pk), lambda: carry_out_deletion(due.pk))
    assert settled.status == "refunding", settled
    assert erased is None, erased
    check_books()
