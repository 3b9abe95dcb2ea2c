"""What the trust in a draw rests on is checked at start-up, in production and staging."""

import pytest

from luxewin.environment import DEVELOPMENT, PRODUCTION
from verification.beacon import QUICKNET
from verification.checks import draws_are_bound

SOUND = {
    "LUXEWIN_ENV": PRODUCTION,
    "OPERATOR_NAME": "Example Raffles Ltd",
    "CHAIN_RPC_URLS": ["https://node.example.com", "https://other.example.org/key"],
    "CHAIN_ID": 1,
    "CHAIN_CONFIRMATIONS": 12,
    "DRAW_DELAY_SECONDS": 900,
    "BEACON_CHAIN_HASH": "",
}


@pytest.fixture
def found(settings):
    """`found(NAME=value)`: the numbers of what is found with these settings instead of sound ones."""

    def check(**changes: object) -> list[str]:
        for name, value in (SOUND | changes).items():
            setattr(settings, name, value)
        return [str(each.id) for each in draws_are_bound()]

    return check


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"OPERATOR_NAME": "LuxeWin"}, "verification.W002"),
        ({"BEACON_CHAIN_HASH": "ab" * 32}, "verification.W003"),
        ({"CHAIN_RPC_URLS": ["https://node.example.com/a", "https://node.example.com/b"]}, "verification.W004"),
        ({"CHAIN_ID": 31337}, "verification.E003"),
        ({"CHAIN_CONFIRMATIONS": 75}, "verification.E004"),
    ],
    ids=["name", "beacon", "one host", "development chain", "delay"],
)
def test_each_weakness_is_named(found, changes: dict, number: str) -> None:
    assert found(**changes) == [number]


def test_sound_settings_are_not_complained_of(found) -> None:
    assert found() == []
    assert found(BEACON_CHAIN_HASH=QUICKNET.chain_hash.hex()) == []
    assert found(CHAIN_RPC_URLS=[], CHAIN_ID=0) == []


def test_in_development_nothing_is_asked_for(found) -> None:
    assert found(LUXEWIN_ENV=DEVELOPMENT, OPERATOR_NAME="LuxeWin", CHAIN_ID=31337) == []
