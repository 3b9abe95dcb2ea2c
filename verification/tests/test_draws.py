"""A draw without a chain, from its promise to its picks: each step once, whatever fails between two."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import HTTP
from purchases.models import Purchase
from purchases.services import expire_purchase, request_refund
from purchases.tests.stage import at_once, hold, seated
from raffles.models import TicketCounter
from raffles.services import cancel_raffle, close_raffle
from verification import announcements, services, tasks
from verification.models import Draw, Pick
from verification.services import draw_steps

from .drawing import URL, advance_to, closed, committed, crowd, put_in_state, tamper
from .servers import answer, serving

State = Draw.State


def test_a_draw_goes_from_its_promise_to_its_picks(selling, people, client):
    raffle = selling(prizes=[{"name": "A watch"}, {"name": "A strap"}], alternates=1)
    assert services.advance_draw(raffle.pk).trouble == "the sale is not over"
    for buyer, size in zip(people(3), [2, 5, 1], strict=True):
        seated(buyer, raffle, size)
    draw = committed(raffle)
    assert (draw.tickets, draw.entries) == (8, 3)
    drawn = advance_to(raffle, State.DRAWN)
    assert drawn.trouble == ""
    shown = client.get(f"{URL}/{raffle.pk}").json()
    assert [(pick["role"], pick["prize"]) for pick in shown["picks"]] == [
        ("winner", "A watch"),
        ("winner", "A strap"),
        ("alternate", None),
    ]
    assert (shown["anchored"], shown["state"], shown["transactions"]) == (False, "drawn", [])
    # Times are text, but for the bundle's, which are the protocol's.
    assert datetime.fromisoformat(shown["committed_at"]).timestamp() == draw.committed_at
    assert shown["committed_at"].endswith("Z")
    assert client.get(f"{URL}/{raffle.pk}/bundle").json()["place"]["committed_at"] == draw.committed_at
    raffle.refresh_from_db()
    assert raffle.drawn_at > raffle.frozen_at > raffle.closed_at
    draw_steps = AuditEntry.objects.filter(subject_type="draw").order_by("id").values_list("action", flat=True)
    assert list(draw_steps) == [
        f"draw.{step}" for step in ("promised", "announced", "frozen", "published", "committed", "drawn")
    ]


def test_a_time_that_a_lying_contract_could_have_is_the_last_there_is(on_sale, client):
    raffle = on_sale()
    put_in_state(raffle, State.COMMITTED, committed_at=2**62, round=1)
    for path in (f"{URL}/{raffle.pk}", f"{URL}/list"):
        assert "9999-12-31T23:59:59Z" in client.get(path).content.decode()


def test_until_the_round_appears_the_draw_waits_for_it(selling, alice, settings):
    raffle = selling(capacity=3, delay_seconds=3600)
    seated(alice, raffle, 3)
    close_raffle(raffle.pk)
    draw = services.advance_draw(raffle.pk)
    due = settings.BEACON_GENESIS_TIME + (draw.round - 1) * settings.BEACON_PERIOD
    assert draw.committed_at + 3600 <= due < draw.committed_at + 3600 + settings.BEACON_PERIOD
    assert (draw.state, draw.due_at.timestamp()) == (State.COMMITTED, due)
    assert draw.trouble == f"round {draw.round} has not appeared yet; it is due at {due}"
    assert not Pick.objects.exists()


def test_steps_taken_again_change_nothing(selling, alice):
    raffle = selling(capacity=3)
    seated(alice, raffle, 3)
    close_raffle(raffle.pk)
    advance_to(raffle, State.DRAWN)
    before = (Draw.objects.values().get(), list(Pick.objects.values()))
    audited = AuditEntry.objects.count()
    for _ in range(3):
        services.advance_draw(raffle.pk)
    # Also for a worker that read the draw long ago.
    for state, step in draw_steps.STEPS.items():
        if state not in {State.DRAWN, State.ANNOUNCED}:
            step(Draw(**before[0] | {"state": state}))
    assert (Draw.objects.values().get(), list(Pick.objects.values())) == before
    assert AuditEntry.objects.count() == audited


def test_a_worker_that_another_overtakes_while_it_publishes_commits_nothing_again(selling, people, monkeypatch):
    raffle = selling()
    for buyer in people(5):
        seated(buyer, raffle, 2)
    closed(raffle)
    publish, overtaken = draw_steps.publish, []

    def slow(draw):
        publish(draw)
        if not overtaken:
            overtaken.append(draw)
            advance_to(raffle, State.DRAWN)

    monkeypatch.setattr(draw_steps, "publish", slow)
    assert advance_to(raffle, State.DRAWN).seed
    assert overtaken
    assert AuditEntry.objects.filter(action="draw.committed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_draw_once(selling, people):
    raffle = selling()
    for buyer in people(5):
        seated(buyer, raffle, 2)
    closed(raffle)
    drawn = at_once(*[lambda: advance_to(raffle, State.DRAWN)] * 4)
    assert len({(draw.state, draw.seed, draw.round) for draw in drawn}) == 1, drawn
    assert Pick.objects.count() == 4
    assert AuditEntry.objects.filter(action="draw.drawn").count() == 1
    assert Notification.objects.mails().filter(kind="draw_won").count() == len(winners())


def winners() -> set[str]:
    """The addresses of whoever won a prize, or several."""
    return set(Pick.objects.exclude(prize=None).values_list("purchase__buyer__email", flat=True))


class Crash(BaseException):
    """The worker dies."""


CRASHES = [
    *((draw_steps, name) for name in ("reach", "entries_tree", "anchor_commit", "store_index", "_write_picks")),
    (announcements, "tell_winners"),
]


def test_a_worker_that_dies_at_any_point_leaves_a_draw_that_goes_on(selling, people, monkeypatch):
    raffle = selling()
    for buyer in people(3):
        seated(buyer, raffle, 2)
    closed(raffle)
    died = []
    for owner, name in CRASHES:
        monkeypatch.setattr(owner, name, dying(getattr(owner, name), name, died))
    while Draw.objects.get().state != State.DRAWN:
        try:
            advance_to(raffle, State.DRAWN)
        except Crash:
            continue
    assert {name for name, _ in died} == {name for _, name in CRASHES}
    assert [state for name, state in died if name == "reach"] == ["promised", "announced", "frozen", "committed"]
    assert Pick.objects.count() == 4
    assert AuditEntry.objects.filter(action="draw.drawn").count() == 1
    assert Notification.objects.mails().filter(kind="draw_won").count() == len(winners())


def dying(real, name, died):
    """Does its work and dies before anybody knows, the first time in each state of the draw."""

    def call(*arguments, **options):
        here = (name, Draw.objects.get().state)
        done = real(*arguments, **options)
        if here not in died:
            died.append(here)
            raise Crash
        return done

    return call


def test_a_payment_under_way_holds_the_freeze_up(selling, alice, bob):
    raffle = selling(capacity=3)
    seated(alice, raffle, 2)
    pending = hold(bob, raffle)
    closed(raffle)
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.trouble) == (State.ANNOUNCED, "1 payments are still under way")
    Purchase.objects.filter(pk=pending.pk).update(expires_at=timezone.now())
    expire_purchase(pending.pk)
    assert services.advance_draw(raffle.pk).state == State.COMMITTED


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"held": 1}, "1 tickets are still held, though no payment is under way"),
        ({"selling": True}, "the counter still sells, though the sale is over"),
    ],
    ids=["held", "selling"],
)
def test_books_that_are_not_settled_hold_the_freeze_up(facts, said, selling, alice):
    raffle = selling(capacity=3)
    seated(alice, raffle, 2)
    services.advance_draw(raffle.pk)
    closed(raffle)
    TicketCounter.objects.filter(pk=raffle.pk).update(**facts)
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.trouble) == (State.ANNOUNCED, said)


def test_a_draw_that_ends_with_its_raffle_is_audited(selling, mona):
    raffle = selling()
    services.advance_draw(raffle.pk)
    cancel_raffle(raffle.pk, reason="The watch was stolen.", actor=mona)
    audited = AuditEntry.objects.get(action="draw.void")
    assert (audited.actor, audited.before, audited.after) == (mona.pk, {"state": "announced"}, {"state": "void"})


def test_the_moment_of_a_commitment_is_that_of_its_publication(selling, alice, monkeypatch):
    raffle = selling(capacity=3)
    seated(alice, raffle, 3)
    close_raffle(raffle.pk)
    store, stored = draw_steps.store_index, []

    def stalled(draw, tree):
        time.sleep(1.1)
        store(draw, tree)
        stored.append(int(time.time()))

    monkeypatch.setattr(draw_steps, "store_index", stalled)
    draw = services.advance_draw(raffle.pk)
    assert draw.committed_at >= stored[0]
    assert draw.promised_beacon.time_of(draw.round) >= draw.committed_at + raffle.delay_seconds


def test_entries_that_make_no_tree_stop_the_draw(selling, alice, bob, mona):
    raffle = selling()
    seated(alice, raffle, 3)
    seated(bob, raffle, 3)
    services.advance_draw(raffle.pk)
    closed(raffle)
    draw_steps.freeze(Draw.objects.select_related("raffle").get())
    overlapping = "UPDATE purchases_purchase SET first_ticket = 2 WHERE first_ticket = 4"
    tamper("purchases_purchase", "USER", overlapping)
    draw = services.advance_draw(raffle.pk)
    assert draw.state == State.FROZEN
    assert draw.trouble.startswith("the entries make no tree: ")
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]


def test_a_missing_index_stops_the_draw(selling, alice, mona):
    raffle = selling()
    seated(alice, raffle, 3)
    committed(raffle)
    tamper("verification_entriesindex", "entries_index_is_fixed", "DELETE FROM verification_entriesindex")
    draw = services.advance_draw(raffle.pk)
    while "has not appeared" in draw.trouble:
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.seed) == (State.COMMITTED, "")
    assert draw.trouble == "the index of the committed entries is missing; an operator must look"
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]


def test_without_a_ticket_there_is_no_draw(selling):
    raffle = closed(selling())
    assert services.advance_draw(raffle.pk).state == State.VOID
    raffle.refresh_from_db()
    assert raffle.status == "cancelled"


def test_a_worker_that_comes_late_does_not_freeze_a_cancelled_raffle(selling, alice):
    raffle = selling(min_tickets=5)
    seated(alice, raffle)
    services.advance_draw(raffle.pk)
    stale = Draw.objects.select_related("raffle").get()
    closed(raffle)
    cancel_raffle(raffle.pk, reason="The watch was stolen.")
    draw_steps.freeze(stale)
    assert Draw.objects.get().state == State.VOID
    raffle.refresh_from_db()
    assert (raffle.frozen_at, raffle.cancel_reason) == (None, "The watch was stolen.")


def test_without_the_beacon_the_draw_stays_and_says_why(selling, alice, settings, caplog):
    raffle = selling()
    seated(alice, raffle, 3)
    closed(raffle)
    good, settings.BEACON_URLS = settings.BEACON_URLS, ["http://127.0.0.1:1"]
    draw = services.advance_draw(raffle.pk)
    while "ConnectError" not in draw.trouble:
        assert draw.state == State.COMMITTED
        draw = services.advance_draw(raffle.pk)
    assert f"draw {draw.sequence} stays committed" in caplog.text
    assert not Pick.objects.exists()
    settings.BEACON_URLS = [*settings.BEACON_URLS, *good]
    assert advance_to(raffle, State.DRAWN).trouble == ""


@contextmanager
def lying_relay(good: str) -> Iterator[str]:
    """A relay that gives each round the signature of the round before it."""

    def serve(request: BaseHTTPRequestHandler) -> None:
        chain, _, number = request.path.strip("/").partition("/public/")
        false = HTTP.get(f"{good}/{chain}/public/{int(number) - 1}").json() | {"round": int(number)}
        answer(request, json.dumps(false).encode())

    with serving(serve) as url:
        yield url


def test_another_round_s_signature_is_refused_and_the_next_relay_asked(selling, alice, settings):
    raffle = selling()
    seated(alice, raffle, 3)
    closed(raffle)
    good = settings.BEACON_URLS
    with lying_relay(good[0]) as liar:
        settings.BEACON_URLS = [liar]
        draw = services.advance_draw(raffle.pk)
        while "not the chain's signature" not in draw.trouble:
            assert draw.state == State.COMMITTED
            draw = services.advance_draw(raffle.pk)
        settings.BEACON_URLS = [liar, *good]
        assert advance_to(raffle, State.DRAWN).round == draw.round


def test_entries_that_changed_after_the_commitment_are_noticed(selling, alice, bob):
    raffle = selling()
    seated(alice, raffle, 3)
    seated(bob, raffle, 3)
    committed(raffle)
    tamper("purchases_purchase", "USER", "UPDATE purchases_purchase SET quantity = 2 WHERE true")
    draw = services.advance_draw(raffle.pk)
    while "has not appeared" in draw.trouble:
        draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.seed) == (State.COMMITTED, "")
    assert draw.trouble == "the entries are no longer those that were committed; an operator must look"
    assert not Pick.objects.exists()


def test_the_reason_of_a_worker_left_behind_is_not_told_of_a_later_state(selling, alice):
    raffle = selling(capacity=2)
    stale = Draw.objects.get()
    seated(alice, raffle, 2)
    close_raffle(raffle.pk)
    services.advance_draw(raffle.pk)
    due = Draw.objects.get().due_at
    draw_steps.wait(stale, timezone.now(), "the chain does not answer")
    draw = Draw.objects.get()
    assert (draw.due_at, "chain" in draw.trouble) == (due, False)


def test_the_sweep_finds_exactly_the_draws_with_a_step_to_take(selling):
    raffles = {state: selling() for state in State.values}
    for state, raffle in raffles.items():
        put_in_state(raffle, state)
    open_sale = {State.PROMISED, State.FROZEN, State.COMMITTED}
    found = set(Draw.objects.unfinished().values_list("state", flat=True))
    assert found == open_sale  # announced waits for the sale's end, drawn without a chain is through
    closed(raffles[State.ANNOUNCED])
    assert set(Draw.objects.unfinished().values_list("state", flat=True)) == open_sale | {State.ANNOUNCED}
    Draw.objects.update(due_at=timezone.now() + timedelta(seconds=30))
    assert not Draw.objects.unfinished().exists()


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_enqueue_a_draw_once_and_again_after_the_lease(selling):
    selling()
    OrmQ.objects.all().delete()
    assert sorted(at_once(*[tasks.advance_unfinished_draws] * 4)) == [0, 0, 0, 1]
    assert [queued.task["func"] for queued in OrmQ.objects.all()] == ["verification.tasks.advance_draw"]
    assert tasks.advance_unfinished_draws() == 0
    Draw.objects.update(claimed_until=timezone.now() - timedelta(milliseconds=1))
    assert tasks.advance_unfinished_draws() == 1


def test_many_entries_with_gaps_are_drawn_from_what_is_left(selling, alice):
    raffle = selling(capacity=5_000)
    crowd(raffle, alice, [1 + number % 7 for number in range(200)])
    for purchase in Purchase.objects.order_by("first_ticket")[::10]:
        request_refund(purchase.pk, reason="Changed their mind.")
    closed(raffle)
    draw = advance_to(raffle, State.DRAWN)
    assert (draw.entries, draw.tickets) == (180, Purchase.objects.paid().totals()["tickets"])
    for pick in Pick.objects.select_related("purchase"):
        assert pick.purchase.status == "paid"
        assert 0 <= pick.ticket - pick.purchase.first_ticket < pick.purchase.quantity
