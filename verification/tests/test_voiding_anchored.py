"""Void draws on the chain: after a declaration the contract says which came first, the round or the void."""

import time
from contextlib import suppress

import pytest
from django.utils import timezone

from accounts.models import Notification
from purchases.models import Purchase
from purchases.tests.stage import seated
from verification import clients, services
from verification.anchoring import deploy_contract
from verification.chain_types import CallReverts, DrawStatus
from verification.models import ChainStep, Draw, Pick, UndoneDecision
from verification.services import declare_void, draw_steps, voiding

from .drawing import URL, advance_to, closed
from .mining import stepped
from .on_chain import funded_chain, send, until_block

State = Draw.State
WHY = "The beacon stopped for good."


@pytest.fixture
def overdue(chained, settings, selling, people, relays):
    """A committed draw on a contract of its own that can be declared void, which nobody has done; no relay answers."""
    settings.DRAW_VOID_SECONDS = 2
    deploy_contract()
    raffle = selling(prizes=[{"name": "A watch"}], alternates=1)
    for buyer in people(2):
        seated(buyer, raffle)
    closed(raffle)
    relays(there=False)
    draw = advance_to(raffle, State.COMMITTED)
    due = draw.promised_beacon.time_of(draw.round) + draw.void_after
    until_block(due)
    return Draw.objects.select_related("raffle", "contract").get(pk=raffle.pk)


@pytest.fixture
def declared(overdue, root):
    """The same, declared: it can be void two seconds later."""
    return declare_void(overdue.pk, reason=WHY, actor=root)


def on_chain(chain, draw):
    return chain.draw_state(draw.contract.address, bytes.fromhex(draw.manifest_hash))


def declare_on_chain(chain, draw):
    """The workers do; returns from when on it can be void."""
    deadline = time.monotonic() + 30
    while not (state := on_chain(chain, draw)).void_at:
        assert time.monotonic() < deadline
        services.advance_draw(draw.pk)
        time.sleep(0.1)
    return state.void_at


def by_anyone(prepare):
    """Somebody else's transaction."""
    other = funded_chain()
    assert send(other, other.sign(prepare(other), other.next_nonce())).succeeded


def void_by_anyone(chain, draw):
    until_block(declare_on_chain(chain, draw))
    with suppress(CallReverts):  # on a busy machine the draw's own step was faster
        by_anyone(lambda other: other.prepare_void(draw.contract.address, bytes.fromhex(draw.manifest_hash)))
    assert on_chain(chain, draw).status == DrawStatus.VOID


def settle_by_anyone(draw):
    signature = clients.client_of(draw.promised_beacon).fetch(draw.round)
    where = (draw.contract.address, bytes.fromhex(draw.manifest_hash))
    by_anyone(lambda other: other.prepare_settle(*where, signature=signature))


def test_a_void_is_declared_and_made_on_the_chain_before_anyone_is_refunded(declared, chained, api):
    draw = advance_to(declared.raffle, State.VOID)
    state = on_chain(chained, draw)
    assert state.status == DrawStatus.VOID
    mined = {taken.step: taken.transaction.block_time for taken in ChainStep.objects.select_related("transaction")}
    assert list(mined) == ["announce", "commit", "declare", "void"]
    assert mined["void"] >= state.void_at == mined["declare"] + 2
    assert mined["declare"] >= draw.promised_beacon.time_of(draw.round) + 2
    draw.raffle.refresh_from_db()
    assert (draw.raffle.status, draw.raffle.cancel_reason) == ("cancelled", WHY)
    shown = api().get(f"{URL}/{draw.pk}").json()
    assert [each["step"] for each in shown["transactions"]] == list(mined)


def test_a_worker_that_dies_beside_the_chain_sends_each_step_once(declared, chained, monkeypatch):
    died = []
    for owner, name in [(voiding, "anchor_void_declaration"), (voiding, "anchor_void"), (voiding, "reach")]:
        monkeypatch.setattr(owner, name, dying(getattr(owner, name), name, died))
    sent = chained.next_nonce()
    while Draw.objects.get().state != State.VOID:
        try:
            advance_to(declared.raffle, State.VOID)
        except Crash:
            continue
    assert died == ["anchor_void_declaration", "anchor_void", "reach"]
    assert chained.next_nonce() == sent + 2


class Crash(BaseException):
    """The worker dies."""


def dying(real, name, died):
    """Does its work and dies before anybody knows, the first time."""

    def call(*arguments, **options):
        done = real(*arguments, **options)
        if name not in died:
            died.append(name)
            raise Crash
        return done

    return call


def test_if_the_round_appears_the_contract_settles_before_winners_are_told(declared, chained, relays, monkeypatch):
    declare_on_chain(chained, declared)
    relays(there=True)
    asked = []

    def told(draw):
        asked.append(on_chain(chained, draw).status)

    monkeypatch.setattr(draw_steps.announcements, "tell_winners", told)
    draw = advance_to(declared.raffle, State.SETTLED)
    assert asked == [DrawStatus.SETTLED]
    assert list(chained.settled_picks(draw.contract.address, bytes.fromhex(draw.manifest_hash))) == list(
        draw.picks.values_list("index", flat=True)
    )
    assert ChainStep.objects.filter(step="settle").count() == 1


def test_who_settles_on_the_chain_keeps_the_draw_from_being_void(declared, chained, relays):
    declare_on_chain(chained, declared)
    relays(there=True)
    settle_by_anyone(declared)
    relays(there=False)
    until_block(declared.void_at.timestamp())
    # No relay is needed: the signature is in that transaction.
    assert advance_to(declared.raffle, State.SETTLED).picks.count() == 2


def declare_with_the_operator_s_key(chain, draw):
    """Beside the rows; returns from when on the draw can be void."""
    call = chain.prepare_declare_void(draw.contract.address, bytes.fromhex(draw.manifest_hash))
    assert send(chain, chain.sign(call, chain.next_nonce())).succeeded
    return on_chain(chain, draw).void_at


def test_a_void_that_was_declared_on_the_chain_alone_is_noticed_before_winners_are_told(
    overdue, chained, relays, root, mona
):
    void_at = declare_with_the_operator_s_key(chained, overdue)
    until_block(void_at)
    by_anyone(lambda other: other.prepare_void(overdue.contract.address, bytes.fromhex(overdue.manifest_hash)))
    relays(there=True)
    stays = services.advance_draw(overdue.pk)
    assert (stays.state, stays.seed) == (State.COMMITTED, "")
    assert stays.trouble.startswith("the contract has the draw void, which nobody declared here")
    assert "draw_stuck" in {note.kind for note in mona.notifications.all()}
    assert not Pick.objects.exists()
    declared = declare_void(overdue.pk, reason=WHY, actor=root)
    later = services.advance_draw(overdue.pk)
    assert later.state == State.VOID or "the contract has the draw void; here it is from" in later.trouble
    assert advance_to(overdue.raffle, State.VOID).void_at == declared.void_at <= timezone.now()
    assert not Notification.objects.mails().filter(kind="draw_won").exists()


def test_what_was_drawn_here_and_is_void_on_the_chain_is_undone_and_void(overdue, chained, relays, root, mona):
    relays(there=True)
    drawn = stepped(overdue.raffle, draw_steps.decide, State.DRAWN)
    relays(there=False)
    until_block(declare_with_the_operator_s_key(chained, overdue))
    by_anyone(lambda other: other.prepare_void(overdue.contract.address, bytes.fromhex(overdue.manifest_hash)))
    relays(there=True)
    stays = advance_to(overdue.raffle, State.COMMITTED)
    assert (stays.seed, stays.round) == ("", drawn.round)
    assert UndoneDecision.objects.get().seed == drawn.seed
    assert "decision_undone" in {note.kind for note in mona.notifications.all()}
    assert not Pick.objects.exists()
    declare_void(overdue.pk, reason=WHY, actor=root)
    assert advance_to(overdue.raffle, State.VOID).void_declared_at
    assert not Notification.objects.filter(kind="draw_won").exists()


def test_a_draw_that_is_declared_on_the_chain_alone_is_settled_there_before_winners_are_told(
    overdue, chained, relays, monkeypatch
):
    declare_with_the_operator_s_key(chained, overdue)
    relays(there=True)
    asked = []
    monkeypatch.setattr(
        draw_steps.announcements, "tell_winners", lambda draw: asked.append(on_chain(chained, draw).status)
    )
    advance_to(overdue.raffle, State.SETTLED)
    assert asked == [DrawStatus.SETTLED]


def test_what_anyone_made_void_on_the_chain_is_not_drawn_when_the_round_appears(declared, chained, relays):
    void_by_anyone(chained, declared)
    relays(there=True)
    draw = advance_to(declared.raffle, State.VOID, State.DRAWN)
    assert draw.state == State.VOID
    assert not Pick.objects.exists()
    assert not Notification.objects.mails().filter(kind="draw_won").exists()
    assert set(Purchase.objects.values_list("raffle__status", flat=True)) == {"cancelled"}
