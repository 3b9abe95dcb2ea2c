"""A draw on the chain: one transaction a step, whoever dies, whoever is away, whoever else settles it."""

import time
from datetime import datetime

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from eth_account import Account

from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from luxewin.draw_bounds import MAX_PICKS
from purchases.tests.stage import at_once, seated
from raffles.models import Raffle
from raffles.services import cancel_raffle, publish_raffle
from verification import clients, services
from verification.anchoring import deploy_contract, sending
from verification.chain import Chain
from verification.chain_types import ChainUnavailable, DrawStatus, SignedCall
from verification.errors import ContractMissing
from verification.models import ChainAttempt, ChainStep, ChainTransaction, Contract, Draw, DrawSequence, Pick
from verification.services import draw_steps

from .drawing import URL, advance_to, closed, download, verified
from .on_chain import funded_chain, send

State = Draw.State


def on_chain(chain, draw):
    return chain.draw_state(draw.contract.address, bytes.fromhex(draw.manifest_hash))


def nonces():
    return list(ChainStep.objects.order_by("transaction__nonce").values_list("step", "transaction__nonce"))


@pytest.fixture
def away(settings):
    """`away()` closes the port of every node; `away(False)` opens it again."""
    urls = settings.CHAIN_RPC_URLS

    def close(gone: bool = True) -> None:
        settings.CHAIN_RPC_URLS = ["http://127.0.0.1:1"] if gone else urls
        clients.chain.cache_clear()

    return close


class Crash(BaseException):
    """The worker dies."""


BEFORE = [(Chain, "sign"), (Chain, "broadcast"), (sending, "_note_receipt"), (draw_steps, "reach")]
AFTER = [(Chain, "next_nonce"), (Chain, "broadcast"), (Chain, "receipt"), (draw_steps, "_write_picks")]


def test_a_worker_that_dies_anywhere_sends_each_step_once(anchored, selling, people, client, tmp_path, monkeypatch):
    raffle = selling(capacity=6)
    for buyer in people(3):
        seated(buyer, raffle, 2)
    closed(raffle)
    sent_before, died = anchored.next_nonce(), set()
    for late, points in ((" before", BEFORE), (" after", AFTER)):
        for owner, name in points:
            monkeypatch.setattr(owner, name, dying(getattr(owner, name), name + late, died))
    while Draw.objects.get().state != State.SETTLED:
        try:
            advance_to(raffle, State.SETTLED)
        except Crash:
            continue
    monkeypatch.undo()
    per_step = {f"{name} before" for _, name in BEFORE[:2]} | {f"{name} after" for _, name in AFTER[:3]}
    assert {(name, state) for name in per_step for state in ("promised", "frozen", "drawn")} <= died
    assert {name for name, _ in died} == per_step | {"_note_receipt before", "reach before", "_write_picks after"}
    # One transaction a step, one after the other, and not one more by this operator.
    assert nonces() == [(step, sent_before + place) for place, step in enumerate(("announce", "commit", "settle"))]
    assert anchored.next_nonce() == sent_before + 3
    assert AuditEntry.objects.filter(action="draw.settled").count() == 1
    draw = Draw.objects.get()
    state = on_chain(anchored, draw)
    assert (state.status, state.raffle, state.tickets) == (DrawStatus.SETTLED, raffle.pk.bytes, 6)
    assert (state.round, state.committed_at, state.seed.hex()) == (draw.round, draw.committed_at, draw.seed)
    assert verified(*download(client, raffle, tmp_path))["verdict"] == "CONSISTENT"


def dying(real, name, died):
    def call(*arguments, **options):
        here = (name, Draw.objects.get().state)
        if here in died:
            return real(*arguments, **options)
        died.add(here)
        if name.endswith(" after"):
            real(*arguments, **options)
        raise Crash

    return call


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_send_each_step_once(anchored, selling, people, client):
    raffle = selling()
    for buyer in people(4):
        seated(buyer, raffle, 2)
    closed(raffle)
    drawn = at_once(*[lambda: advance_to(raffle, State.SETTLED)] * 4)
    assert {getattr(draw, "state", draw) for draw in drawn} == {State.SETTLED}, drawn
    assert len(nonces()) == 3 == len({nonce for _, nonce in nonces()})
    assert Pick.objects.count() == 4
    shown = client.get(f"{URL}/{raffle.pk}").json()
    assert [step["step"] for step in shown["transactions"]] == ["announce", "commit", "settle"]
    times = [datetime.fromisoformat(step["block_time"]).timestamp() for step in shown["transactions"]]
    steps = ChainStep.objects.order_by("transaction__block")
    assert times == list(steps.values_list("transaction__block_time", flat=True))
    assert all(step["block"] for step in shown["transactions"])
    assert (shown["anchored"], shown["contract"]) == (True, Draw.objects.get().contract.address)


def test_without_the_chain_each_step_waits_says_why_and_is_taken_later(anchored, selling, alice, away, caplog):
    away()
    raffle = selling()
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, nonces()) == (State.PROMISED, [])
    assert "no node of the chain answered: 127.0.0.1:1" in draw.trouble
    assert f"draw {draw.sequence} stays promised" in caplog.text
    away(False)
    advance_to(raffle, State.ANNOUNCED)
    seated(alice, raffle, 3)
    away()
    closed(raffle)
    # Without the contract's word nothing is frozen: it could not be undone.
    draw = services.advance_draw(raffle.pk)
    assert (draw.state, draw.root) == (State.ANNOUNCED, "")
    away(False)
    assert advance_to(raffle, State.SETTLED).trouble == ""
    assert [step for step, _ in nonces()] == ["announce", "commit", "settle"]


def test_an_answer_that_was_lost_is_no_second_transaction(anchored, selling, monkeypatch):
    raffle, real = selling(), Chain.broadcast

    def lost(self, raw):
        real(self, raw)
        raise ChainUnavailable("the answer was lost")

    monkeypatch.setattr(Chain, "broadcast", lost)
    assert "lost" in services.advance_draw(raffle.pk).trouble
    stored = ChainTransaction.objects.get()
    monkeypatch.undo()
    advance_to(raffle, State.ANNOUNCED)
    assert ChainTransaction.objects.get().hash == stored.hash
    assert ChainTransaction.objects.get().block


def test_anyone_may_settle_before_us(anchored, selling, alice, client, tmp_path, monkeypatch):
    raffle = selling(capacity=5)
    seated(alice, raffle, 5)
    closed(raffle)
    # Ours is signed and stored, and the node does not take it for a while.
    real = Chain.broadcast
    monkeypatch.setattr(Chain, "broadcast", lambda self, raw: real(self, raw) if not settling() else unreachable())
    draw = advance_to(raffle, State.DRAWN)
    while not settling():
        draw = services.advance_draw(raffle.pk)
    stranger, manifest_hash = funded_chain(), bytes.fromhex(draw.manifest_hash)
    call = stranger.prepare_settle(draw.contract.address, manifest_hash, signature=bytes.fromhex(draw.signature))
    monkeypatch.undo()
    theirs = stranger.sign(call, 0)
    assert send(stranger, theirs).succeeded
    # Ours arrives after all, and is reverted.
    assert not send(anchored, stored_settlement(anchored)).succeeded
    assert advance_to(raffle, State.SETTLED).trouble == ""
    assert client.get(f"{URL}/{raffle.pk}/bundle").json()["settlement"]["transaction"] == theirs.hash
    assert verified(*download(client, raffle, tmp_path))["verdict"] == "CONSISTENT"


def settling():
    return ChainStep.objects.filter(step="settle").exists()


def unreachable():
    raise ChainUnavailable("not now")


def stored_settlement(chain):
    attempt = ChainAttempt.objects.get(transaction__steps__step="settle")
    return SignedCall(bytes(attempt.raw), attempt.hash, attempt.transaction.nonce)


def test_a_draw_cancelled_before_its_announcement_does_not_block_the_next(anchored, selling, away):
    away()
    first = selling()
    services.advance_draw(first.pk)
    cancel_raffle(first.pk, reason="The watch was stolen.")
    second = selling()
    away(False)
    assert advance_to(second, State.ANNOUNCED).sequence == first.draw.sequence + 1
    Draw.objects.update(due_at=timezone.now())
    assert first.draw in Draw.objects.unfinished()
    assert advance_to(first, State.VOID).trouble == ""
    states = [on_chain(anchored, draw).status for draw in Draw.objects.select_related("contract")]
    assert states == [DrawStatus.ANNOUNCED] * 2


def test_a_draw_cancelled_after_its_announcement_is_void_at_once(anchored, selling):
    raffle = selling()
    advance_to(raffle, State.ANNOUNCED)
    cancel_raffle(raffle.pk, reason="The watch was stolen.")
    assert Draw.objects.get().state == State.VOID


def test_without_a_deployed_contract_nothing_is_published(chained, draft, api, mona):
    raffle = draft(delay_seconds=1)
    with pytest.raises(ContractMissing, match="deploy_contract"):
        publish_raffle(raffle.pk)
    answer = api(mona).post(f"/api/v1/raffles/{raffle.pk}/publish")
    assert (answer.status_code, answer.json()["code"]) == (503, "contract_missing")
    raffle.refresh_from_db()
    assert raffle.status == Raffle.Status.DRAFT
    assert not DrawSequence.objects.exists()


def test_the_contract_of_the_settings_is_used_where_one_is_named(chained, settings, deployed, selling):
    settings.CHAIN_CONTRACT = deployed["address"]
    assert selling().draw.contract.address == deployed["address"]
    assert selling().draw.contract == Contract.objects.get()


def test_a_contract_that_draws_with_another_beacon_takes_no_promise(anchored, settings, deployed, draft, capsys):
    contract, ours = Contract.objects.get(), settings.BEACON_CHAIN_HASH
    settings.BEACON_CHAIN_HASH = "ab" * 32
    clients.beacon.cache_clear()
    with pytest.raises(ContractMissing) as refusal:
        publish_raffle(draft().pk)
    assert f"{contract} draws with the beacon {ours}, and BEACON_CHAIN_HASH names {'ab' * 32}" in refusal.value.detail
    assert not Draw.objects.exists()
    settings.BEACON_CHAIN_HASH = ours
    clients.beacon.cache_clear()
    assert publish_raffle(draft().pk).draw.contract == contract


def test_while_the_chain_is_away_the_settings_contract_is_not_taken(chained, settings, deployed, selling, away):
    settings.CHAIN_CONTRACT = deployed["address"]
    away()
    with pytest.raises(ContractMissing, match="cannot be looked at now"):
        selling()
    away(False)
    contract = selling().draw.contract
    assert (contract.chain_hash, contract.void_after) == (settings.BEACON_CHAIN_HASH, settings.DRAW_VOID_SECONDS)
    away()
    assert selling().draw.contract == contract


def foreign_code(settings):
    settings.CHAIN_CONTRACT = "0x" + "11" * 20


def another_key(settings):
    settings.CHAIN_OPERATOR_KEY = Account.create().key.hex()


def another_delay(settings):
    settings.DRAW_VOID_SECONDS += 1


def another_genesis(settings):
    settings.BEACON_GENESIS_TIME += 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (foreign_code, "the code at"),
        (another_key, "the contract's operator is"),
        (another_delay, "the contract's void after is"),
        (another_genesis, "the contract's genesis time is"),
    ],
)
def test_a_contract_that_is_not_ours_is_not_taken(chained, settings, deployed, draft, change, why):
    settings.CHAIN_CONTRACT = deployed["address"]
    change(settings)
    clients.chain.cache_clear()
    clients.beacon.cache_clear()
    with pytest.raises(ContractMissing, match=why):
        publish_raffle(draft(delay_seconds=1).pk)
    assert not Draw.objects.exists()


def test_a_round_of_the_contract_s_that_is_not_ours_stops_the_draw(anchored, settings, selling, alice, mona):
    settings.BEACON_GENESIS_TIME -= 1000
    clients.beacon.cache_clear()
    raffle = selling()
    advance_to(raffle, State.ANNOUNCED)
    seated(alice, raffle, 5)
    closed(raffle)
    while not (draw := services.advance_draw(raffle.pk)).trouble.endswith("an operator must look"):
        time.sleep(0.1)
    state = on_chain(anchored, draw)
    theirs, ours = (f"({state.committed_at}, {number})" for number in (state.round, state.round + 1000))
    assert draw.trouble.startswith(
        f"the contract has another moment or round of draw {draw.sequence} {theirs} than ours"
    )
    assert ours in draw.trouble
    assert (draw.state, draw.committed_at) == (State.FROZEN, None)
    assert draw.contradiction == draw.trouble[:300]
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]


@pytest.mark.django_db(transaction=True)
def test_two_that_deploy_at_once_deploy_one_contract(chained):
    done = at_once(*[deploy_contract] * 2)
    assert {each.address for each in done} == {Contract.objects.get().address}
    assert ChainTransaction.objects.count() == 1


def test_the_command_deploys_once(chained, anchored, capsys):
    call_command("deploy_contract")
    assert Contract.objects.count() == 1
    assert Contract.objects.get().address in capsys.readouterr().out


def test_the_command_says_what_is_missing(chained, away):
    away()
    with pytest.raises(CommandError, match="no node of the chain answered"):
        call_command("deploy_contract")
    assert not Contract.objects.exists()


def test_after_raffles_without_a_chain_a_new_contract_goes_on_with_the_numbers(
    anchored, settings, selling, draft, capsys
):
    first = selling()
    assert selling().draw.contract == first.draw.contract
    rpc_urls, settings.CHAIN_RPC_URLS = settings.CHAIN_RPC_URLS, []
    assert selling().draw.contract is None
    settings.CHAIN_RPC_URLS = rpc_urls
    with pytest.raises(ContractMissing, match="promised without"):
        publish_raffle(draft(delay_seconds=1).pk)
    call_command("deploy_contract")
    later = selling()
    assert later.draw.contract != first.draw.contract
    assert later.draw.contract.first_sequence == later.draw.sequence == first.draw.sequence + 3
    advance_to(later, State.ANNOUNCED)


def test_no_contract_is_deployed_beside_one_that_the_settings_name(anchored, settings, deployed):
    settings.CHAIN_CONTRACT = deployed["address"]
    Contract.objects.update(chain_hash="00" * 32)
    with pytest.raises(CommandError, match="unset it"):
        call_command("deploy_contract")
    assert Contract.objects.count() == 1


IMPOSSIBLE = {
    "delay_seconds": ({"delay_seconds": 2}, "less than the beacon's period"),
    "title": ({"title": " "}, "title is not a text"),
    "prizes.1.name": ({"prizes": [{"name": " "}]}, "prizes.1.name is not a text"),
}


@pytest.mark.parametrize("field", IMPOSSIBLE)
def test_terms_that_no_draw_can_keep_are_refused_by_field(draft, field, settings):
    changes, why = IMPOSSIBLE[field]
    raffle = draft(**{"delay_seconds": settings.BEACON_PERIOD} | changes)
    with pytest.raises(InvalidInput) as refusal:
        publish_raffle(raffle.pk)
    (fault,) = refusal.value.data["errors"]
    assert (fault["field"], fault["code"]) == (field, "not_promisable")
    assert why in fault["detail"]
    assert not Draw.objects.exists()
    assert not DrawSequence.objects.exists()


def test_as_many_picks_as_the_contract_draws_can_be_promised(draft, settings):
    raffle = draft(delay_seconds=settings.BEACON_PERIOD, alternates=MAX_PICKS - 2, capacity=200)
    assert publish_raffle(raffle.pk).draw.state == State.PROMISED


def test_a_contract_that_follows_goes_on_with_the_next_number(chained, selling, people):
    DrawSequence.objects.create(pk=1, last=6)
    contract = deploy_contract()
    assert chained._read(contract.address, "next_sequence") == 7
    raffle = selling()
    services.advance_draw(raffle.pk)
    draw = advance_to(raffle, State.ANNOUNCED)
    assert (draw.sequence, on_chain(chained, draw).sequence) == (7, 7)
