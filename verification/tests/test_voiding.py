"""Draws whose beacon stops for good: declared in public, delayed, void, everyone refunded; never drawn otherwise."""

import time
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Notification
from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from purchases.models import Purchase, Refund
from purchases.tests.books import check_books, check_money
from purchases.tests.stage import at_once, bought, seated
from raffles import services as raffle_services
from verification import errors
from verification.models import Draw, Pick
from verification.services import advance_draw, declare_void, draw_steps, voiding

from .drawing import URL, advance_to, closed, put_in_state

State = Draw.State
WHY = "The beacon stopped on 3 May and will not come back."


@pytest.fixture
def selling_quickly(selling, settings):
    """Draws promised in this test can be declared void a second after their round, and are void a second later."""
    settings.DRAW_VOID_SECONDS = 1
    return selling


@pytest.fixture
def waiting(selling_quickly, alice, relays):
    """`waiting()`: a committed draw, its raffle sold to Alice, whose round does not come: no relay answers."""
    relays(there=False)

    def make(sell=seated, **terms):
        raffle = selling_quickly(**terms)
        sell(alice, raffle, 3)
        closed(raffle)
        return advance_to(raffle, State.COMMITTED)

    return make


def overdue(draw):
    """The round is due, and the delay over after which it counts as stopped."""
    due = draw.promised_beacon.time_of(draw.round) + draw.void_after
    time.sleep(max(0, due - time.time()))
    return draw


def until_void(raffle):
    return advance_to(raffle, State.VOID)


def test_a_draw_without_a_beacon_is_declared_void_and_everyone_gets_their_money_back(
    waiting, root, api, run_tasks, alice
):
    draw = overdue(waiting(sell=bought, prizes=[{"name": "A watch"}]))
    raffle = draw.raffle
    shown = api().get(f"{URL}/{raffle.pk}").json()
    assert (shown["void_declared_at"], shown["void_at"], shown["void_reason"]) == (None, None, "")
    declared = declare_void(raffle.pk, reason=WHY, actor=root)
    shown = api().get(f"{URL}/{raffle.pk}").json()
    assert (shown["state"], shown["void_reason"]) == ("committed", WHY)
    delay = datetime.fromisoformat(shown["void_at"]) - datetime.fromisoformat(shown["void_declared_at"])
    assert delay == timedelta(seconds=1)
    waits = advance_draw(raffle.pk)
    assert waits.state == State.COMMITTED
    assert f"void from {declared.void_at:%Y-%m-%d %H:%M:%S} UTC on" in waits.trouble
    until_void(raffle)
    raffle.refresh_from_db()
    assert (raffle.status, raffle.cancel_reason, raffle.drawn_at) == ("cancelled", WHY, None)
    run_tasks()
    assert list(Purchase.objects.values_list("status", flat=True)) == ["refunded"]
    check_books()
    check_money()
    told = Notification.objects.mails().get(user=alice, kind="purchase_refunded")
    assert told.context["reason"] == f"The raffle was cancelled. {WHY}"
    assert not Pick.objects.exists()
    audited = AuditEntry.objects.filter(subject_type="draw").order_by("id").values_list("action", "actor")
    assert list(audited)[-2:] == [("draw.void_declared", root.pk), ("draw.void", None)]


def test_a_free_entry_of_a_void_draw_ends_as_in_a_cancelled_raffle(waiting, root, run_tasks):
    def post(buyer, raffle, quantity):
        purchase = seated(buyer, raffle, quantity)
        Purchase.objects.filter(pk=purchase.pk).update(route="postal", amount=0)

    draw = overdue(waiting(sell=post))
    declare_void(draw.pk, reason=WHY, actor=root)
    until_void(draw.raffle)
    run_tasks()
    assert list(Purchase.objects.values_list("status", flat=True)) == ["void"]
    assert (
        Notification.objects.mails().get(kind="free_entry_void").context["reason"] == f"The raffle was cancelled. {WHY}"
    )
    assert not Refund.objects.exists()


def test_if_the_round_appears_before_the_void_it_decides(waiting, root, relays, api):
    draw = overdue(waiting(alternates=0))
    declare_void(draw.pk, reason=WHY, actor=root)
    relays(there=True)
    drawn = advance_to(draw.raffle, State.DRAWN)
    time.sleep(max(0, (drawn.void_at - timezone.now()).total_seconds()))
    assert advance_draw(draw.pk).state == State.DRAWN
    shown = api().get(f"{URL}/{draw.pk}").json()
    assert (shown["state"], shown["void_reason"], len(shown["picks"])) == ("drawn", WHY, 2)
    assert Purchase.objects.get().status == "paid"


def test_a_round_that_appears_after_its_time_but_before_the_void_is_written_still_decides(waiting, root, relays):
    draw = overdue(waiting())
    declared = declare_void(draw.pk, reason=WHY, actor=root)
    time.sleep(max(0, (declared.void_at - timezone.now()).total_seconds()))
    relays(there=True)
    assert advance_to(draw.raffle, State.DRAWN).void_at == declared.void_at


def test_nothing_is_declared_before_the_round_is_overdue(waiting, root, settings):
    settings.DRAW_VOID_SECONDS = 3600
    draw = waiting()
    with pytest.raises(errors.RoundNotOverdue) as refused:
        declare_void(draw.pk, reason=WHY, actor=root)
    declarable = datetime.fromisoformat(refused.value.data["declarable_at"])
    assert declarable.timestamp() == draw.promised_beacon.time_of(draw.round) + 3600
    assert Draw.objects.get().void_declared_at is None


def test_what_was_promised_counts_and_not_what_is_configured_since(waiting, root, settings):
    settings.DRAW_VOID_SECONDS = 3600
    draw = waiting()
    settings.DRAW_VOID_SECONDS = 0
    with pytest.raises(errors.RoundNotOverdue):
        declare_void(draw.pk, reason=WHY, actor=root)


def test_a_void_is_declared_once(waiting, root):
    draw = overdue(waiting())
    first = declare_void(draw.pk, reason=WHY, actor=root)
    with pytest.raises(errors.VoidDeclared) as refused:
        declare_void(draw.pk, reason="Another.", actor=root)
    assert refused.value.data["void_at"] == first.void_at.isoformat()
    assert Draw.objects.get().void_reason == WHY


@pytest.mark.parametrize("state", sorted(set(State.values) - {State.COMMITTED}))
def test_only_a_draw_that_waits_for_its_round_is_declared_void(state, selling_quickly, root):
    raffle = selling_quickly()
    put_in_state(raffle, state)
    with pytest.raises(errors.NotVoidable):
        declare_void(raffle.pk, reason=WHY, actor=root)


@pytest.mark.parametrize("reason", ["", " \n", "x" * 201], ids=["empty", "blank", "too long"])
def test_a_declaration_needs_a_reason_that_fits(reason, selling_quickly, root):
    with pytest.raises(InvalidInput):
        declare_void(selling_quickly().pk, reason=reason, actor=root)


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_void_a_draw_once(waiting, root):
    draw = overdue(waiting())
    declare_void(draw.pk, reason=WHY, actor=root)
    ended = at_once(*[lambda: until_void(draw.raffle)] * 4)
    assert {each.state for each in ended} == {State.VOID}, ended
    assert AuditEntry.objects.filter(action__in=["draw.void", "raffle.cancelled"]).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_declare_at_once_declare_once(waiting, root):
    draw = overdue(waiting())
    ended = at_once(*[lambda reason=reason: declare_void(draw.pk, reason=reason, actor=root) for reason in ("A", "B")])
    assert sorted(type(each).__name__ for each in ended) == ["Draw", "VoidDeclared"]
    assert AuditEntry.objects.filter(action="draw.void_declared").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_see_the_round_and_others_that_do_not_the_draw_ends_once(waiting, root, relays, monkeypatch):
    draw = overdue(waiting())
    declared = declare_void(draw.pk, reason=WHY, actor=root)
    time.sleep(max(0, (declared.void_at - timezone.now()).total_seconds()))
    stale = Draw.objects.select_related("raffle", "contract").get()
    relays(there=True)
    ended = at_once(lambda: advance_draw(draw.pk), lambda: voiding.void_overdue(stale, declared.void_at))
    assert not [each for each in ended if isinstance(each, Exception)], ended
    draw = Draw.objects.select_related("raffle").get()
    assert draw.state in {State.VOID, State.DRAWN}
    assert (draw.raffle.status == "cancelled") is (draw.state == State.VOID)
    assert Pick.objects.exists() is (draw.state == State.DRAWN)


class Crash(BaseException):
    """The worker dies."""


CRASHES = [(voiding, "reach"), (raffle_services, "void_raffle"), (draw_steps, "void_overdue")]


def test_a_worker_that_dies_at_any_point_leaves_a_draw_that_goes_on_to_its_void(waiting, root, monkeypatch, run_tasks):
    draw = overdue(waiting())
    declare_void(draw.pk, reason=WHY, actor=root)
    died = []
    for owner, name in CRASHES:
        monkeypatch.setattr(owner, name, dying(getattr(owner, name), name, died))
    while Draw.objects.get().state != State.VOID:
        try:
            until_void(draw.raffle)
        except Crash:
            continue
    assert set(died) == {name for _, name in CRASHES}
    run_tasks()
    assert Purchase.objects.get().status == "refunding"
    assert AuditEntry.objects.filter(action__in=["draw.void", "raffle.cancelled"]).count() == 2


def dying(real, name, died):
    """Does its work and dies before anybody knows, the first time."""

    def call(*arguments, **options):
        done = real(*arguments, **options)
        if name not in died:
            died.append(name)
            raise Crash
        return done

    return call


def command(draw, by, **options):
    out = StringIO()
    call_command("void_draw", draw.raffle.slug, reason=WHY, by=by, stdout=out, **options)
    return out.getvalue()


def test_the_command_declares_and_says_from_when_on_the_draw_is_void(waiting, root):
    draw = overdue(waiting())
    said = command(draw, root.email)
    declared = Draw.objects.get()
    assert f"is void from {declared.void_at:%Y-%m-%d %H:%M:%S} UTC on, unless round {draw.round} appears" in said
    assert AuditEntry.objects.get(action="draw.void_declared").actor == root.pk
    with pytest.raises(CommandError, match="It can become void from"):
        command(draw, root.email)


@pytest.mark.parametrize("who", ["mona", "fiona", "sam", "audrey", "alice"])
def test_no_role_declares_a_draw_void(who, waiting, request):
    draw = overdue(waiting())
    with pytest.raises(CommandError, match="nobody who may declare"):
        command(draw, request.getfixturevalue(who).email)
    assert Draw.objects.get().void_declared_at is None


def test_the_command_names_a_reason_that_does_not_fit(waiting, root):
    draw = waiting()
    with pytest.raises(CommandError, match="At most 200 characters"):
        call_command("void_draw", str(draw.pk), reason="x" * 201, by=root.email)
