"""Blocks that were and are no more: a step counts once it is deep enough, and what is undone later is done again."""

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Notification
from luxewin.audit.models import AuditEntry
from luxewin.clock import database_now
from purchases.tests.stage import seated
from verification import services
from verification.chain import Chain
from verification.chain_types import DrawStatus
from verification.errors import StepWaits
from verification.models import ChainAttempt, ChainStep, ChainTransaction, Draw, Pick, UndoneDecision
from verification.services import draw_steps

from .drawing import closed, unguarded
from .mining import decided, stepped, wait_for
from .on_chain import latest_time, mine_at
from .test_anchoring_sending import long_ago, unreachable

State, Fate = Draw.State, ChainTransaction.State


def taking(step: str) -> ChainTransaction:
    return ChainTransaction.objects.get(steps__step=step, steps__live=True)


def on_chain(mine):
    draw = Draw.objects.select_related("contract").get()
    return mine.chain.draw_state(draw.contract.address, bytes.fromhex(draw.manifest_hash))


def look_again() -> None:
    """What the sweep does, now and not in a while."""
    for sent in ChainTransaction.objects.exclude(steps=None):
        services.reconcile_transaction(sent.pk)


def test_a_commit_counts_only_once_it_is_confirmed(frozen, mine):
    raffle = frozen(delay_seconds=3600)
    mine.blocks()
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.committed_at, taking("commit").state) == (State.FROZEN, None, Fate.MINED)
    assert draw.trouble.endswith("fewer than 2 deep")
    mine.blocks()
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.committed_at) == (State.COMMITTED, on_chain(mine).committed_at)


def test_while_the_commit_is_on_its_way_the_tree_is_not_built_again(frozen, mine, monkeypatch):
    raffle = frozen(delay_seconds=3600)
    built, real = [], draw_steps.entries_tree
    monkeypatch.setattr(draw_steps, "entries_tree", lambda draw: built.append(draw) or real(draw))
    assert services.advance_draw(raffle.pk).trouble.endswith("is not mined yet")
    mine.blocks()
    assert services.advance_draw(raffle.pk).trouble.endswith("fewer than 2 deep")
    assert built == []
    mine.blocks()
    assert services.advance_draw(raffle.pk).state == State.COMMITTED
    assert built == []  # it was built once, when the files were made public


def test_a_commit_that_is_reorganised_before_it_counts_is_sent_again(frozen, mine):
    raffle = frozen(delay_seconds=3600)
    mine.blocks()
    services.advance_draw(raffle.pk)
    former = taking("commit")
    mine.reorganise(1)
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.committed_at, taking("commit").state) == (State.FROZEN, None, Fate.SIGNED)
    draw = mine.advance(raffle, State.COMMITTED)
    again = taking("commit")
    assert (again.pk, again.hash, again.attempts.count()) == (former.pk, former.hash, 1)
    assert again.block_hash != former.block_hash
    assert (draw.committed_at, draw.round) == (on_chain(mine).committed_at, on_chain(mine).round)


def test_an_undecided_draw_follows_a_commit_that_a_reorganisation_moved(frozen, mine, run_tasks):
    raffle = frozen(delay_seconds=3600)
    before = mine.advance(raffle, State.COMMITTED)
    mine.reorganise(3)
    look_again()
    assert Draw.objects.get().round == before.round  # nothing follows what is not confirmed
    mine_at(before.committed_at + 3)
    mine.blocks()
    look_again()
    after = Draw.objects.get()
    assert after.committed_at == on_chain(mine).committed_at > before.committed_at
    assert after.round == on_chain(mine).round > before.round
    assert (after.root, after.tickets, after.state) == (before.root, before.tickets, State.COMMITTED)
    moved = AuditEntry.objects.get(action="draw.commitment_moved")
    assert moved.before == {"committed_at": before.committed_at, "round": before.round}
    assert moved.after == {"committed_at": after.committed_at, "round": after.round}


def test_before_a_round_decides_the_commit_is_looked_at_again(frozen, mine):
    raffle = frozen(delay_seconds=1)
    before = mine.commit(raffle)
    mine.reorganise(2)
    for _ in range(3):
        assert services.advance_draw(raffle.pk).state == State.COMMITTED
    mine_at(before.committed_at + 3)
    mine.blocks()
    with pytest.raises(StepWaits, match=f"from {before.committed_at} to {on_chain(mine).committed_at}"):
        stepped(raffle, draw_steps.decide, State.DRAWN)
    drawn = decided(raffle)
    assert (drawn.committed_at, drawn.round) == (on_chain(mine).committed_at, on_chain(mine).round)
    assert drawn.round > before.round


def test_a_round_that_moves_while_a_worker_decides_is_not_decided_by_the_former(frozen, mine, monkeypatch):
    raffle = frozen(delay_seconds=1)
    before = mine.commit(raffle)
    unchanged = draw_steps.are_unchanged

    def meanwhile(draw):
        # What another worker's follow_commit writes.
        Draw.objects.filter(pk=draw.pk).update(committed_at=draw.committed_at + 5, round=draw.round + 5)
        return unchanged(draw)

    wait_for(before)
    monkeypatch.setattr(draw_steps, "are_unchanged", meanwhile)
    draw_steps.decide(Draw.objects.select_related("raffle", "contract").get())
    monkeypatch.undo()
    draw = Draw.objects.get()
    assert (draw.state, draw.round, draw.seed) == (State.COMMITTED, before.round + 5, "")
    assert not Pick.objects.exists()
    while draw.state == State.COMMITTED:  # the chain has it where it was, and the draw follows
        draw = services.advance_draw(raffle.pk)
    assert draw.round == before.round
    assert draw.promised_beacon.verify(draw.round, bytes.fromhex(draw.signature))


def moved_after_it_was_decided(mine, raffle):
    """The draw is decided, and then its commitment is in a block dated some rounds later. Return it as decided."""
    mine.commit(raffle)
    drawn = decided(raffle)
    mine.reorganise(2)
    services.advance_draw(raffle.pk)
    mine_at(max(latest_time(), drawn.committed_at) + 3)
    mine.blocks()
    return drawn


def test_a_decided_draw_follows_a_commitment_that_moved_and_shows_what_it_had_decided(frozen, mine, client, mona):
    raffle = frozen(delay_seconds=1)
    drawn = moved_after_it_was_decided(mine, raffle)
    picks = list(Pick.objects.values("position", "ticket"))
    undone = services.advance_draw(raffle.pk)
    while undone.state == State.DRAWN and undone.seed == drawn.seed:
        undone = services.advance_draw(raffle.pk)
    state = on_chain(mine)
    draw = mine.advance(raffle, State.SETTLED)
    assert (draw.committed_at, draw.round) == (state.committed_at, state.round)
    assert draw.round > drawn.round
    assert draw.seed != drawn.seed
    assert draw.promised_beacon.verify(draw.round, bytes.fromhex(draw.signature))
    assert on_chain(mine).seed.hex() == draw.seed
    assert [pick.award.prize for pick in draw.picks.exclude(prize=None)] == list(draw.raffle.prizes.all())
    raffle.refresh_from_db()
    assert raffle.drawn_at
    (shown,) = client.get(f"/api/v1/verification/{raffle.pk}").json()["undone_decisions"]
    assert (shown["round"], shown["seed"], shown["picks"]) == (drawn.round, drawn.seed, picks)
    assert datetime.fromisoformat(shown["committed_at"]).timestamp() == drawn.committed_at
    page = client.get(f"/verify/{raffle.slug}").content.decode()
    assert f"had been computed from round {drawn.round}: ticket {picks[0]['ticket']}" in page
    audited = AuditEntry.objects.get(action="draw.decision_undone")
    assert (audited.before["seed"], audited.before["picks"]) == (drawn.seed, picks)
    # Only the result that counts was told to anybody but staff.
    assert {note.kind for note in mona.notifications.all()} == {"commitment_gone", "decision_undone"}
    assert Notification.objects.mails().filter(kind="draw_won").exists()


def test_a_decided_draw_whose_commitment_moves_within_its_round_keeps_its_picks(frozen, mine, settings):
    """The rounds are so long that both dates lead to the same one."""
    raffle = frozen(delay_seconds=1)
    drawn = moved_after_it_was_decided(mine, raffle)
    moved = on_chain(mine).committed_at
    with unguarded("verification_draw"):  # as if both led to this round
        Draw.objects.update(round=on_chain(mine).round)
    with pytest.raises(StepWaits, match=f"from {drawn.committed_at} to {moved}"):
        draw_steps.follow_commit(Draw.objects.select_related("raffle", "contract").get())
    after = Draw.objects.get()
    assert (after.state, after.committed_at, after.seed) == (State.DRAWN, moved, drawn.seed)
    assert Pick.objects.exists()
    assert not UndoneDecision.objects.exists()


def test_a_settlement_that_was_reorganised_away_is_sent_again(frozen, mine):
    raffle = frozen(delay_seconds=1)
    mine.commit(raffle)
    decided(raffle)
    mine.advance(raffle, State.SETTLED)
    former = taking("settle")
    mine.reorganise(2)
    assert on_chain(mine).status == DrawStatus.COMMITTED
    look_again()
    mine.blocks(2)
    look_again()
    assert on_chain(mine).status == DrawStatus.SETTLED
    assert (taking("settle").hash, taking("settle").state) == (former.hash, Fate.DONE)
    assert Draw.objects.get().trouble == ""


def test_an_announcement_whose_nonce_is_spent_after_a_reorganisation_is_signed_anew(mine, selling):
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    former = taking("announce")
    mine.reorganise(1)
    mine.spend_nonce()
    for _ in range(4):
        look_again()
        mine.blocks()
    assert on_chain(mine).status == DrawStatus.ANNOUNCED
    assert taking("announce").pk != former.pk
    assert ChainStep.objects.get(transaction=former).live is False


def test_a_nonce_that_a_reorganisation_freed_is_filled_again(mine, selling, monkeypatch):
    """Ours was given up, since another wallet's transaction had its nonce; that one is in no block any more."""
    raffle = selling()
    monkeypatch.setattr(Chain, "broadcast", unreachable)
    services.advance_draw(raffle.pk)
    monkeypatch.undo()
    mine.spend_nonce()
    services.advance_draw(raffle.pk)
    lost = ChainTransaction.objects.get(state=Fate.LOST)
    mine.reorganise(1)
    long_ago()
    services.advance_draw(raffle.pk)
    lost.refresh_from_db()
    assert lost.state == Fate.SIGNED
    mine.advance(raffle, State.ANNOUNCED, mining=lambda: (services.reconcile_transaction(lost.pk), mine.blocks()))
    assert on_chain(mine).status == DrawStatus.ANNOUNCED
    assert mine.chain.next_nonce() == lost.nonce + 2 or taking("announce").pk == lost.pk


def test_what_is_deep_enough_is_final_and_looked_at_once_a_day(mine, selling, run_tasks, monkeypatch):
    monkeypatch.setattr(Chain, "finalized", lambda self: None)  # a chain without that tag
    mine.setting(CHAIN_FINAL_BLOCKS=3)
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    mine.blocks(2)
    look_again()
    assert taking("announce").state == Fate.FINAL
    ChainTransaction.objects.update(due_at="2020-01-01T00:00Z")
    run_tasks()
    sent = taking("announce")
    assert (sent.state, sent.due_at > database_now() + timedelta(hours=23)) == (Fate.FINAL, True)
    assert ChainAttempt.objects.filter(transaction=taking("announce")).count() == 1


FORBIDDEN = {
    "another root": {"root": "11" * 32, "committed_at": 1, "round": 1},
    "other tickets": {"tickets": 4, "committed_at": 1},
    "another state at once": {"committed_at": 1, "state": State.DRAWN},
    "decided at once": {"committed_at": 1, "seed": "22" * 32},
}


@pytest.mark.parametrize("changes", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_database_lets_only_the_moment_follow_and_only_undecided(frozen, mine, changes):
    raffle = frozen(delay_seconds=3600)
    mine.commit(raffle)
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        Draw.objects.update(**changes)
    assert Draw.objects.update(committed_at=1, round=1) == 1


def undo(draw, **otherwise):
    """What `follow_commit` writes of a decided draw, but for some of it."""
    sent = taking("commit")
    facts = {name: getattr(draw, name) for name in ("committed_at", "round", "signature", "seed")}
    picks = list(draw.picks.values("position", "ticket"))
    if otherwise.pop("shown", True):
        UndoneDecision.objects.create(draw=draw, picks=otherwise.pop("picks", picks), **facts)
    number = draw.promised_beacon.first_round_at(sent.block_time + draw.terms["delay_seconds"])
    values = {"state": State.COMMITTED, "committed_at": sent.block_time, "round": number}
    values |= {"signature": "", "randomness": "", "seed": ""} | otherwise
    Draw.objects.filter(pk=draw.pk).update(**values)


UNDOES_NOTHING = {
    "another moment than the chain's": {"committed_at": 1, "round": 1},
    "another round than the moment's": {"round": 5},
    "without showing it": {"shown": False},
    "with other picks": {"picks": [{"position": 1, "ticket": 99}]},
    "keeping the seed": {"seed": "22" * 32},
    "settled at once": {"state": State.SETTLED},
}


@pytest.mark.parametrize("otherwise", UNDOES_NOTHING.values(), ids=UNDOES_NOTHING.keys())
def test_the_database_undoes_a_decision_only_as_the_chain_moved_it(frozen, mine, otherwise):
    raffle = frozen(delay_seconds=1)
    mine.commit(raffle)
    draw = decided(raffle)
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        Draw.objects.update(committed_at=1)
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        undo(draw)  # the chain has it where it was
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        draw.picks.all()._raw_delete(draw.picks.db)
    # As after a reorganisation.
    ChainTransaction.objects.filter(pk=taking("commit").pk).update(block_time=draw.committed_at + 5)
    for state in (Fate.MINED, Fate.DONE):
        ChainTransaction.objects.filter(pk=taking("commit").pk).update(state=state)
        with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
            undo(draw, **(otherwise if state == Fate.DONE else {}))
    undo(draw)
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        UndoneDecision.objects.update(round=1)
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        UndoneDecision.objects.all().delete()


@pytest.mark.parametrize("state", [State.ANNOUNCED, State.FROZEN])
def test_another_commitment_than_ours_stops_the_draw(mine, selling, alice, mona, client, state):
    raffle = selling()
    mine.advance(raffle, State.ANNOUNCED)
    seated(alice, raffle, 5)
    closed(raffle)
    mine.catch_up()
    if state == State.FROZEN:
        stepped(raffle, draw_steps.freeze, State.FROZEN)
    draw, wallet = Draw.objects.select_related("contract").get(), mine.another_wallet()
    manifest_hash = bytes.fromhex(draw.manifest_hash)
    call = wallet.prepare_commit(
        draw.contract.address, manifest_hash=manifest_hash, commitment=b"\7" * 32, tickets=9, wanted=1
    )
    wallet.broadcast(wallet.sign(call, wallet.next_nonce()).raw)
    mine.blocks()
    draw = services.advance_draw(raffle.pk)
    # Before the freeze nothing is frozen, and the raffle can still be cancelled.
    said = {
        State.ANNOUNCED: f"the contract has a commitment of draw {draw.sequence} before its entries are fixed",
        State.FROZEN: f"the contract has another commitment of draw {draw.sequence} ({'07' * 32}, 9, 1)",
    }
    assert draw.trouble.startswith(said[state])
    assert (draw.state, draw.committed_at) == (state, None)
    # The public reads it too, beside the frozen files.
    assert client.get(f"/api/v1/verification/{raffle.pk}").json()["contradiction"].startswith(said[state])
    assert said[state].partition(" (")[0] in client.get(f"/verify/{raffle.slug}").content.decode()
    assert not ChainStep.objects.filter(step="commit").exists()
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]
