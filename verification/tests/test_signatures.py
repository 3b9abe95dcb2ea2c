"""The signature that decides, where no relay serves it: handed in, or read from the chain; always verified here."""

import secrets
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from purchases.tests.stage import seated
from raffles.models import Raffle
from verification import clients, services
from verification.chain_types import DrawStatus
from verification.contract.encoding import decode_signature, encode_signature
from verification.models import ChainStep, Draw

from .drawing import advance_to, closed
from .mining import wait_for
from .on_chain import FEES, DevBeacon, funded_chain, new_hash, send

State = Draw.State


def without_relays(raffle: Raffle, buyer: User, settings) -> tuple[Draw, bytes]:
    """A committed draw whose round appeared and is served by nobody, and the signature of that round."""
    seated(buyer, raffle, 5)
    closed(raffle)
    good, settings.BEACON_URLS = settings.BEACON_URLS, ["http://127.0.0.1:1"]
    advance_to(raffle, State.COMMITTED)
    draw = Draw.objects.select_related("raffle", "contract").get(pk=raffle.pk)
    wait_for(draw)
    away, settings.BEACON_URLS = settings.BEACON_URLS, good
    signature = clients.client_of(draw.promised_beacon).fetch(draw.round or 0)
    settings.BEACON_URLS = away
    assert services.advance_draw(raffle.pk).state == State.COMMITTED
    return draw, signature


def hand_in(raffle: Raffle, signature: str) -> str:
    out = StringIO()
    call_command("draw_raffle", str(raffle.pk), signature=signature, stdout=out)
    return out.getvalue()


def test_a_signature_that_is_handed_in_decides_a_draw_without_a_chain(selling, alice, settings):
    raffle = selling()
    draw, signature = without_relays(raffle, alice, settings)
    assert f"draw {draw.sequence} of {raffle.pk}: drawn" in hand_in(raffle, f"0x{signature.hex()}")
    drawn = Draw.objects.get()
    assert (drawn.round, drawn.signature) == (draw.round, signature.hex())
    assert drawn.picks.count() == 4


def test_a_signature_that_is_handed_in_decides_an_anchored_draw(anchored, selling, alice, settings):
    raffle = selling()
    draw, signature = without_relays(raffle, alice, settings)
    hand_in(raffle, signature.hex())
    settled = advance_to(raffle, State.SETTLED)
    assert (settled.round, settled.signature) == (draw.round, signature.hex())


def test_nothing_but_the_round_s_own_signature_is_taken(selling, alice, settings):
    raffle = selling()
    services.advance_draw(raffle.pk)
    with pytest.raises(CommandError, match="is announced: it does not wait for a signature"):
        hand_in(raffle, secrets.token_hex(48))
    draw, signature = without_relays(raffle, alice, settings)
    refusals = {
        "xyz": "not hexadecimal",
        secrets.token_hex(48): f"not the beacon's signature of round {draw.round}",
        signature.hex()[:-2]: f"not the beacon's signature of round {draw.round}",
    }
    for text, reason in refusals.items():
        with pytest.raises(CommandError, match=reason):
            hand_in(raffle, text)
    with pytest.raises(CommandError, match="name its raffle"):
        call_command("draw_raffle", due=True, signature=signature.hex())
    assert (Draw.objects.get().state, Draw.objects.get().seed) == (State.COMMITTED, "")


def settled_by_a_stranger(draw: Draw, how: str, signature: bytes) -> None:
    stranger, manifest_hash = funded_chain(), bytes.fromhex(draw.manifest_hash)
    address = draw.contract.address
    if how == "settle_many":
        call = stranger.prepare_settle_many(address, [manifest_hash], signature=signature)
    else:
        call = stranger.prepare_settle(address, manifest_hash, signature=signature)
    if how == "a constructor":
        data = bytes.fromhex(call.transaction["data"][2:])
        call = stranger.call_of("", calling(address, data), 1_000_000, FEES)
    assert send(stranger, stranger.sign(call, stranger.next_nonce())).succeeded
    assert stranger.draw_state(address, manifest_hash).status == DrawStatus.SETTLED


def calling(address: str, data: bytes) -> bytes:
    """A constructor that calls the address with these bytes, which stand behind it."""
    size = len(data).to_bytes(2).hex()
    body = f"5f395f5f61{size}5f5f73{address[2:]}5af15000"  # code to memory, call with it, stop
    return bytes.fromhex(f"61{size}60{5 + len(body) // 2:02x}{body}") + data


@pytest.mark.parametrize("how", ["settle", "settle_many"])
def test_what_a_stranger_settled_with_decides_the_draw(how, anchored, selling, alice, settings):
    raffle = selling()
    draw, signature = without_relays(raffle, alice, settings)
    settled_by_a_stranger(draw, how, signature)
    settled = advance_to(raffle, State.SETTLED)
    assert (settled.round, settled.signature, settled.trouble) == (draw.round, signature.hex(), "")
    assert ChainStep.objects.get(step="settle").transaction.account is None


def test_a_settlement_that_does_not_show_its_signature_stops_the_draw_until_it_is_handed_in(
    anchored, selling, alice, settings, mona
):
    raffle = selling()
    draw, signature = without_relays(raffle, alice, settings)
    settled_by_a_stranger(draw, "a constructor", signature)
    waits = services.advance_draw(raffle.pk)
    assert (waits.state, waits.seed) == (State.COMMITTED, "")
    assert f"does not show the signature of round {draw.round}" in waits.trouble
    assert [note.kind for note in mona.notifications.all()] == ["draw_stuck"]
    hand_in(raffle, signature.hex())
    assert advance_to(raffle, State.SETTLED).signature == signature.hex()


def test_points_are_compressed_as_a_beacon_compresses_them():
    beacon = DevBeacon.make()
    for signature in map(beacon.sign, range(1, 17)):
        assert decode_signature(encode_signature(signature)) == signature


@pytest.mark.parametrize("words", [[1 << 200, 0, 0, 0], [0, 0, 1 << 255, 0]], ids=["x", "y"])
def test_words_beyond_the_field_are_no_point(words):
    with pytest.raises(ValueError, match="no coordinates"):
        decode_signature(words)


def test_another_transaction_shows_no_signature(anchored, selling):
    advance_to(selling(), State.ANNOUNCED)
    assert anchored.signature_in(ChainStep.objects.get().transaction.hash) is None
    assert anchored.signature_in("0x" + new_hash().hex()) is None
