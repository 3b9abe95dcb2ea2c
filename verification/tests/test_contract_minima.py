"""The shortest delays that the contract takes: none of a draw's time on a chain of the public's."""

from collections.abc import Iterator

import pytest

from luxewin.draw_bounds import DEVELOPMENT_CHAIN, MIN_DELAY, MIN_VOID_DELAY
from verification.chain import Chain
from verification.contract import VOID_AFTER, artefact
from verification.contract.encoding import encode_public_key, encode_signature

from .on_chain import DevBeacon, announce, deployed, funded_chain, node, reverts, rpc, terms_of

PUBLIC = 17


@pytest.fixture
def public_chain(alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    """The session's own node as one of another chain, with an operator of its own."""
    rpc("anvil_setChainId", PUBLIC)
    monkeypatch.setenv("CHAIN_ID", str(PUBLIC))
    yield funded_chain()
    rpc("anvil_setChainId", DEVELOPMENT_CHAIN)


def deploying(chain: Chain, dev: DevBeacon, void_after: int) -> int:
    """The gas of deploying with this void delay; raises if the constructor refuses it."""
    factory = node().eth.contract(abi=artefact()["abi"], bytecode=artefact()["bytecode"])
    facts = (encode_public_key(dev.beacon.public_key), dev.beacon.genesis_time, dev.beacon.period, bytes(32))
    constructor = factory.constructor(*facts, 1, encode_signature(dev.sign(1)), 1, void_after)
    return constructor.estimate_gas({"from": chain.operator})


def test_the_delay_is_ten_minutes_at_least(public_chain: Chain, dev: DevBeacon) -> None:
    contract = deployed(public_chain, dev)
    for too_short in (dev.beacon.period, MIN_DELAY - 1):
        terms = terms_of(contract, delay_seconds=too_short)
        assert "delay below 600 seconds" in reverts(contract, "announce", *terms, sender=public_chain.operator)
    manifest_hash = announce(public_chain, contract, delay_seconds=MIN_DELAY)
    assert public_chain.draw_state(contract, manifest_hash).delay_seconds == MIN_DELAY == 600


def test_the_void_delay_is_seven_days_at_least(public_chain: Chain, dev: DevBeacon) -> None:
    for too_short in (dev.beacon.period, MIN_VOID_DELAY - 1):
        with pytest.raises(Exception, match="void delay below 7 days"):
            deploying(public_chain, dev, too_short)
    assert deploying(public_chain, dev, MIN_VOID_DELAY) > 0
    assert VOID_AFTER >= MIN_VOID_DELAY == 604_800


def test_on_a_development_chain_a_period_is_enough(chain: Chain, dev: DevBeacon) -> None:
    with pytest.raises(Exception, match="void delay below a period"):
        deploying(chain, dev, dev.beacon.period - 1)
    assert deploying(chain, dev, dev.beacon.period) > 0
