"""Picks forfeited after the draw: the prize passes to the next alternate, in public, and nothing is drawn again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from accounts.models import Notification, Preferences
from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from purchases.tests.stage import seated
from verification import announcements, errors
from verification.models import Award, Draw, Forfeit, Pick
from verification.services import claim_award, forfeit_pick, outcomes

from .drawing import URL, advance_to, closed, put_in_state
from .held import held, picks_of

pytestmark = pytest.mark.usefixtures("after_claims")

DISQUALIFIED, UNCLAIMED = Forfeit.Kind.DISQUALIFIED, Forfeit.Kind.UNCLAIMED
PRIZES = [{"name": "A watch"}, {"name": "A strap"}]
WHY = "Works for the organiser."


@pytest.fixture
def drawn(on_sale, people):
    """`drawn(3)`: the picks of three people, of which the first two won and the third is an alternate."""
    return lambda count, **terms: held(on_sale(prizes=PRIZES, alternates=10, **terms), *people(count))


def shown(api, pick):
    return api().get(f"{URL}/{pick.draw_id}").json()


def outcomes_of(answer):
    return [(pick["outcome"], pick["awarded_prize"]) for pick in answer["picks"]]


def told(**about):
    return set(Notification.objects.mails().filter(**about).values_list("user__email", "kind"))


def test_after_a_real_draw_prizes_pass_on_and_the_bundle_stays_as_it_was_drawn(selling, people, mona, api):
    raffle = selling(prizes=PRIZES, alternates=1)
    for buyer in people(3):
        seated(buyer, raffle)
    closed(raffle)
    advance_to(raffle, Draw.State.DRAWN)
    first, second, third = picks_of(raffle)
    assert outcomes_of(shown(api, first)) == [("winner", "A watch"), ("winner", "A strap"), ("alternate", None)]
    bundle = api().get(f"{URL}/{raffle.pk}/bundle").json()
    forfeit_pick(second.pk, kind=UNCLAIMED, reason="Nobody answered for 28 days.", actor=mona)
    claim_award(first.pk, actor=mona)
    answer = shown(api, first)
    assert outcomes_of(answer) == [("claimed", "A watch"), ("unclaimed", None), ("stepped_up", "A strap")]
    assert [pick["reason"] for pick in answer["picks"]] == [None, "Nobody answered for 28 days.", None]
    assert [(pick["role"], pick["prize"]) for pick in answer["picks"]] == [
        ("winner", "A watch"),
        ("winner", "A strap"),
        ("alternate", None),
    ]
    assert answer["unawarded_prizes"] == []
    assert api().get(f"{URL}/{raffle.pk}/bundle").json() == bundle
    assert Pick.objects.get(pk=third.pk).role == "alternate"
    [listed] = api().get(f"{URL}/list").json()["results"]
    assert listed["picks"] == answer["picks"]


def test_the_prize_of_a_disqualified_winner_passes_to_the_first_alternate(drawn, mona, api):
    picks = drawn(4)
    forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=f"  {WHY}\n", actor=mona)
    answer = shown(api, picks[0])
    assert outcomes_of(answer) == [
        ("disqualified", None),
        ("winner", "A strap"),
        ("stepped_up", "A watch"),
        ("alternate", None),
    ]
    assert answer["picks"][0]["reason"] == WHY
    lost, gained = AuditEntry.objects.filter(subject_type="pick").order_by("id")
    assert (lost.action, lost.actor, lost.subject_id) == ("pick.forfeited", mona.pk, str(picks[0].pk))
    assert lost.before == {"outcome": "winner", "prize": "A watch"}
    assert lost.after == {"outcome": "disqualified", "prize": None, "reason": WHY}
    assert (gained.action, gained.actor, gained.subject_id) == ("pick.stepped_up", mona.pk, str(picks[2].pk))
    assert gained.after == {"outcome": "stepped_up", "prize": "A watch", "instead_of": 1}


def test_an_alternate_disqualified_before_its_turn_is_passed_over(drawn, mona, api):
    picks = drawn(4)
    forfeit_pick(picks[2].pk, kind=DISQUALIFIED, reason=WHY, actor=mona)
    assert not Award.objects.filter(pick=picks[2]).exists()
    forfeit_pick(picks[1].pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    assert outcomes_of(shown(api, picks[0]))[1:] == [
        ("unclaimed", None),
        ("disqualified", None),
        ("stepped_up", "A strap"),
    ]


def test_a_prize_passes_on_again_from_an_alternate_that_stepped_up(drawn, mona, api):
    picks = drawn(4)
    for pick in (picks[0], picks[2]):
        forfeit_pick(pick.pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    assert outcomes_of(shown(api, picks[0]))[3] == ("stepped_up", "A watch")
    assert Award.objects.filter(prize=picks[0].prize).count() == 3
    assert Award.objects.get(prize=picks[0].prize, lost_at=None).pick == picks[3]


def test_with_no_alternate_left_the_prize_stays_with_nobody_and_managers_are_told(
    drawn, mona, person, fiona, api, run_tasks
):
    second_manager = person("max", role="raffle managers")
    person("gone", role="raffle managers", is_active=False)
    picks = drawn(3)
    assert shown(api, picks[0])["unawarded_prizes"] == []
    for pick in picks[:2]:
        forfeit_pick(pick.pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    answer = shown(api, picks[0])
    assert outcomes_of(answer) == [("unclaimed", None), ("unclaimed", None), ("stepped_up", "A watch")]
    assert answer["unawarded_prizes"] == ["A strap"]
    assert told(kind="prize_unawarded") == {(each.email, "prize_unawarded") for each in (mona, second_manager)}
    assert AuditEntry.objects.get(action="prize.unawarded").subject_id == str(picks[1].prize_id)
    run_tasks()
    assert {"A prize of A fine watch is left: A strap"} == {
        each.subject for each in mail.outbox if each.to == [mona.email]
    }


def test_fewer_tickets_than_prizes_leave_prizes_with_nobody(drawn, api):
    [pick] = drawn(1)
    assert shown(api, pick)["unawarded_prizes"] == ["A strap"]


def test_before_the_draw_no_prize_counts_as_left(on_sale, api):
    raffle = on_sale(prizes=PRIZES)
    assert api().get(f"{URL}/{raffle.pk}").json()["unawarded_prizes"] == []


def test_of_two_picks_of_one_person_one_can_be_lost(on_sale, alice, bob, mona, api):
    picks = held(on_sale(prizes=PRIZES, alternates=2), alice, bob, alice, alice)
    forfeit_pick(picks[0].pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    assert outcomes_of(shown(api, picks[0])) == [
        ("unclaimed", None),
        ("winner", "A strap"),
        ("stepped_up", "A watch"),
        ("alternate", None),
    ]
    assert told(user=alice) == {(alice.email, "draw_unclaimed"), (alice.email, "draw_stepped_up")}


REFUSED = {
    "twice": (errors.AlreadyForfeited, "already_forfeited", "forfeited"),
    "after the prize was handed over": (errors.AlreadyClaimed, "already_claimed", "claimed"),
    "an alternate as unclaimed": (errors.HoldsNoPrize, "holds_no_prize", "waiting"),
}


def pick_that_is(state, picks, actor):
    if state == "forfeited":
        forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=WHY, actor=actor)
    if state == "claimed":
        claim_award(picks[0].pk, actor=actor)
    return picks[2 if state == "waiting" else 0]


@pytest.mark.parametrize("case", REFUSED)
def test_a_pick_is_not_forfeited(case, drawn, mona):
    problem, code, state = REFUSED[case]
    pick = pick_that_is(state, drawn(3), mona)
    rows = Forfeit.objects.count(), AuditEntry.objects.count(), Notification.objects.mails().count()
    with pytest.raises(problem) as refused:
        forfeit_pick(pick.pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    assert (refused.value.code, refused.value.status) == (code, 409)
    assert rows == (Forfeit.objects.count(), AuditEntry.objects.count(), Notification.objects.mails().count())


@pytest.mark.parametrize("case", REFUSED)
def test_a_prize_is_not_claimed(case, drawn, mona):
    problem, _, state = REFUSED[case]
    pick = pick_that_is(state, drawn(3), mona)
    audited = AuditEntry.objects.count()
    with pytest.raises(problem):
        claim_award(pick.pk, actor=mona)
    assert AuditEntry.objects.count() == audited


@pytest.mark.parametrize("reason", ["", " \n\t ", "x" * 301], ids=["empty", "blank", "too long"])
def test_a_forfeit_needs_a_reason_that_fits(reason, drawn, mona):
    picks = drawn(3)
    with pytest.raises(InvalidInput) as refused:
        forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=reason, actor=mona)
    assert refused.value.data["errors"][0]["field"] == "reason"
    assert not Forfeit.objects.exists()


def test_nothing_is_forfeited_before_the_draw_is_held(drawn, mona):
    picks = drawn(3)
    put_in_state(picks[0].draw.raffle, Draw.State.COMMITTED)
    for deed in (lambda: forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=WHY, actor=mona), lambda: claim(picks)):
        with pytest.raises(errors.NotDrawnYet):
            deed()
    assert not Forfeit.objects.exists()


def claim(picks):
    return claim_award(picks[0].pk, actor=picks[0].purchase.buyer)


def test_everyone_concerned_is_mailed_once_with_the_reason(drawn, mona, run_tasks):
    picks = drawn(4)
    winner, alternate, waiting = (picks[index].purchase.buyer for index in (0, 2, 3))
    forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=WHY, actor=mona)
    forfeit_pick(picks[3].pk, kind=DISQUALIFIED, reason="Lives abroad.", actor=mona)
    run_tasks()
    news = [message for message in mail.outbox if "/verify/" in message.body]
    sent = {message.to[0]: message for message in news}
    assert set(sent) == {each.email for each in (winner, alternate, waiting)}
    assert len(news) == 3
    assert WHY in sent[winner.email].body
    assert "A watch" in sent[winner.email].body
    assert "Lives abroad." in sent[waiting.email].body
    assert "as an alternate" in sent[waiting.email].body
    assert sent[alternate.email].subject == f"{picks[0].draw.raffle.title}: you won A watch after all"
    assert WHY not in sent[alternate.email].body


def test_whoever_stepped_up_is_not_told_that_they_won_nothing(drawn, mona):
    picks = drawn(4)
    forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=WHY, actor=mona)
    announcements.notify_entrants(str(picks[0].draw_id))
    assert told(kind="draw_lost") == set()
    assert told(kind="draw_alternate") == {(picks[3].purchase.buyer.email, "draw_alternate")}


def test_only_who_holds_a_prize_is_named(drawn, mona, api):
    picks = drawn(4)
    Preferences.objects.update(winner_name="full")
    names = [pick.purchase.buyer.display_name for pick in picks]
    assert [pick["name"] for pick in shown(api, picks[0])["picks"]] == [*names[:2], "", ""]
    forfeit_pick(picks[0].pk, kind=DISQUALIFIED, reason=WHY, actor=mona)
    claim_award(picks[1].pk, actor=mona)
    assert [pick["name"] for pick in shown(api, picks[0])["picks"]] == ["", names[1], names[2], ""]


def test_the_next_alternate_is_the_first_that_waits(drawn, mona):
    picks = drawn(5)
    draw = picks[0].draw
    assert outcomes.next_alternate(draw) == picks[2]
    forfeit_pick(picks[0].pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    assert outcomes.next_alternate(draw) == picks[3]
    for pick in picks[3:]:
        forfeit_pick(pick.pk, kind=DISQUALIFIED, reason=WHY, actor=mona)
    assert outcomes.next_alternate(draw) is None


def test_nobody_is_unclaimed_before_the_time_that_the_rules_give(drawn, mona, monkeypatch):
    monkeypatch.undo()  # the time runs as it does
    first, second, third = drawn(3)
    draw = Draw.objects.get()
    round_time = draw.promised_beacon.time_of(draw.round or 0)
    until = datetime.fromtimestamp(round_time + draw.terms["claim_seconds"], UTC)
    assert outcomes.claim_ends(Pick.objects.get(pk=first.pk)) == until
    for now, refused in ((until - timedelta(seconds=1), True), (until, False)):
        monkeypatch.setattr(outcomes, "database_now", lambda now=now: now)
        if refused:
            with pytest.raises(errors.ClaimTimeRuns) as caught:
                forfeit_pick(first.pk, kind=UNCLAIMED, reason=WHY, actor=mona)
            assert caught.value.code == "claim_time_runs"
        else:
            forfeit_pick(first.pk, kind=UNCLAIMED, reason=WHY, actor=mona)
    # The alternate's time begins when it is called.
    award = Award.objects.get(pick=third)
    called = timedelta(seconds=draw.terms["claim_seconds"])
    assert outcomes.claim_ends(Pick.objects.get(pk=third.pk)) == award.at + called
    # Nobody needs to wait to disqualify.
    monkeypatch.setattr(outcomes, "database_now", lambda: datetime.min.replace(tzinfo=UTC))
    forfeit_pick(second.pk, kind=DISQUALIFIED, reason=WHY, actor=mona)
