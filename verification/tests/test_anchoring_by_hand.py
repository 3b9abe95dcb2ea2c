"""`manage.py settle_draw`: anyone finishes a draw in the operator's place, with any key, and once."""

import secrets
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from eth_account import Account

from purchases.tests.stage import seated
from verification import clients, services
from verification.chain_types import CallReverts, DrawStatus
from verification.models import ChainStep, Draw
from verification.services import draw_steps

from .drawing import advance_to, closed, unguarded
from .mining import decided, stepped
from .on_chain import ETHER, rpc

State = Draw.State


def settle(*arguments: str) -> str:
    out = StringIO()
    call_command("settle_draw", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def drawn(anchored, selling, alice):
    """A draw that the workers decided, and did not settle."""
    raffle = selling()
    seated(alice, raffle, 5)
    advance_to(raffle, State.ANNOUNCED)
    closed(raffle)
    stepped(raffle, draw_steps.freeze, State.FROZEN)
    while Draw.objects.get().state == State.FROZEN:
        try:
            stepped(raffle, draw_steps.commit, State.COMMITTED)
        except (draw_steps.StepWaits, CallReverts):  # the second: in the second of the announcement
            continue
    decided(raffle)
    return raffle


def test_the_operator_s_key_settles_through_the_rows_and_the_workers_know(drawn, anchored):
    said = settle(str(drawn.pk))
    picks = list(drawn.draw.picks.values_list("index", flat=True))
    assert f"picks of draw {drawn.draw.sequence}: {picks}" in said
    assert f"{anchored.operator} pays" in said
    assert ChainStep.objects.filter(step="settle").count() == 1
    assert "settled already; nothing was sent" in settle(drawn.slug)
    assert advance_to(drawn, State.SETTLED).trouble == ""
    assert ChainStep.objects.filter(step="settle").count() == 1


def test_any_key_settles_with_a_signature_that_is_handed_in_also_where_the_operator_s_is_lost(
    drawn, anchored, settings, tmp_path
):
    stranger, file = Account.create(), tmp_path / "key"
    file.write_text(stranger.key.hex())
    rpc("anvil_setBalance", stranger.address, hex(ETHER))
    settings.CHAIN_OPERATOR_KEY, settings.CHAIN_OPERATOR_KEY_FILE = "", str(tmp_path / "gone")
    clients.chain.cache_clear()
    draw = Draw.objects.get()
    said = settle(str(drawn.pk), "--signature", f"0x{draw.signature}", "--key-file", str(file))
    assert f"{stranger.address} pays" in said
    assert not ChainStep.objects.filter(step="settle").exists()
    assert advance_to(drawn, State.SETTLED).trouble == ""
    assert ChainStep.objects.get(step="settle").transaction.account is None


def test_picks_of_the_contract_that_differ_from_ours_stop_the_draw(drawn, anchored, mona):
    settle(str(drawn.pk))
    with unguarded("verification_pick"):
        drawn.draw.picks.filter(position=1).update(index=1_000)
    draw = services.advance_draw(drawn.pk)
    assert (draw.state, draw.trouble.startswith("the contract picked [")) == (State.DRAWN, True)
    assert draw.trouble.endswith("an operator must look")
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]


def test_what_cannot_be_done_is_said_without_a_traceback(drawn, anchored, selling, settings, tmp_path):
    wrong = secrets.token_bytes(48).hex()
    refusals = {
        ("nothing",): "no published raffle",
        (str(drawn.pk), "--signature", "xyz"): "not hexadecimal",
        (str(drawn.pk), "--signature", wrong): "not the beacon's signature of round",
        (str(drawn.pk), "--key-file", str(tmp_path / "none")): "--key-file: .*none cannot be read",
    }
    for arguments, reason in refusals.items():
        with pytest.raises(CommandError, match=reason):
            settle(*arguments)
    other = selling()
    with pytest.raises(CommandError, match="knows nothing of it yet"):
        settle(str(other.pk))
    advance_to(other, State.ANNOUNCED)
    with pytest.raises(CommandError, match="not committed yet"):
        settle(str(other.pk))
    assert not ChainStep.objects.filter(step="settle").exists()


def test_without_a_chain_there_is_nothing_to_settle(selling):
    raffle = selling()
    services.advance_draw(raffle.pk)
    with pytest.raises(CommandError, match="promised without a chain"):
        settle(str(raffle.pk))


def test_a_draw_whose_round_nobody_drew_here_is_settled_with_a_relay_s_signature(mine, selling, alice):
    raffle = selling(delay_seconds=6)
    mine.advance(raffle, State.ANNOUNCED)
    seated(alice, raffle, 5)
    closed(raffle)
    mine.catch_up()
    services.advance_draw(raffle.pk)
    mine.commit(raffle)
    assert Draw.objects.get().signature == ""
    with pytest.raises(CommandError, match="has not appeared yet"):
        settle(str(raffle.pk))
    while time.time() < raffle.draw.promised_beacon.time_of(Draw.objects.get().round) + 1:
        time.sleep(0.1)
    rpc("evm_setAutomine", True)
    said = settle(str(raffle.pk))
    rpc("evm_setAutomine", False)
    draw = Draw.objects.select_related("contract").get()
    state = mine.chain.draw_state(draw.contract.address, bytes.fromhex(draw.manifest_hash))
    assert (state.status, draw.state) == (DrawStatus.SETTLED, State.COMMITTED)
    assert "The contract's picks" in said
    assert advance_to(raffle, State.SETTLED).trouble == ""
