"""The harness that kills workers under draws would notice a second result, a doubled transaction, an untold person."""

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils import keccak

from dev.faults.chain_books import ANNOUNCE, CALLS, EVENTS, SELECTOR, SETTLE_MANY, ChainBooks, Event
from dev.faults.draw_books import ROAD, STEPS, DrawBooks, DrawLoss, Verdict
from verification.contract import artefact

MANIFEST, COMMITMENT, SEED = "aa" * 32, "bb" * 32, "cc" * 32
COMMITTED = [int(COMMITMENT, 16), 6, 3, 1_700_000_000, 77]
SETTLED = [77, 1, int(SEED, 16), 128, 2, 4, 0]
PICKED = {"forfeit": None, "lost_at": None}


def right() -> DrawBooks:
    """Six tickets, one prize, an alternate; Alice won, Bob did not."""
    draw = {
        "state": "settled",
        "sequence": 1,
        "manifest_hash": MANIFEST,
        "commitment": COMMITMENT,
        "seed": SEED,
        "tickets": 6,
    }
    draw |= {"committed_at": 1_700_000_000, "round": 77, "trouble": ""}
    picks = [
        SimpleNamespace(index=4, prize="Watch", held="Watch", email="alice", **PICKED),
        SimpleNamespace(index=0, prize=None, held=None, email="bob", **PICKED),
    ]
    events = {"announce": ([0xF00D, 1], [3, 1_700_000_500]), "commit": ([], COMMITTED), "settle": ([], SETTLED)}
    chain = ChainBooks(numbers=Counter([1]), sent=4, nonces=4, waiting=4)
    for step, (topics, words) in events.items():
        chain.events[step, MANIFEST].append(Event(f"0x{step}", topics, words))
        chain.calls[step, MANIFEST] += 1
    sent = {"status": "accepted", "attempts": 1}
    told = [
        SimpleNamespace(kind="draw_won", email="alice", prize="Watch", **sent),
        SimpleNamespace(kind="draw_alternate", email="bob", prize=None, **sent),
    ]
    mails = [
        {"to": [person], "subject": subject, "text": "/verify/raffle"}
        for person, subject in (("alice", "A watch: you won Watch"), ("bob", "A watch: you are an alternate"))
    ]
    taken = [SimpleNamespace(step=step, live=True, mined=True, hash=f"0x{step}") for step in STEPS]
    verdict = Verdict(3, "consistent", [4, 0])
    people, road = {"alice", "bob"}, Counter(ROAD)
    return DrawBooks(SimpleNamespace(**draw), picks, people, taken, told, road, chain, mails, "raffle", verdict)


def test_events_and_calls_are_known_as_the_contract_has_them() -> None:
    steps = {"Announced": "announce", "Committed": "commit", "Settled": "settle", "settle_many": "settle"}
    events, calls = {}, {}
    for each in artefact()["abi"]:
        step = steps.get(each.get("name"), each.get("name"))
        if step not in STEPS:
            continue
        signature = keccak(text=f"{each['name']}({','.join(given['type'] for given in each['inputs'])})").hex()
        if each["type"] == "event":
            events[signature] = step
        else:
            calls[signature[:SELECTOR]] = step
    assert (events, calls) == (EVENTS, CALLS)


def not_settled(books: Any) -> None:
    books.draw.state = "committed"


def never_on_the_chain(books: Any) -> None:
    books.chain.events["settle", MANIFEST].clear()


def committed_twice(books: Any) -> None:
    books.chain.events["commit", MANIFEST] *= 2


def decided_twice(books: Any) -> None:
    books.audited["draw.drawn"] += 1


def prize_held_by_nobody(books: Any) -> None:
    books.picks[0].lost_at = "today"


def forfeited_by_nobody(books: Any) -> None:
    books.picks[1].forfeit = "disqualified"


def sent_twice(books: Any) -> None:
    books.chain.calls["commit", MANIFEST] += 1


def signed_twice(books: Any) -> None:
    books.taken.append(SimpleNamespace(step="settle", live=False, mined=False, hash="0xother"))


def told_twice(books: Any) -> None:
    books.told.append(books.told[1])


def never_told(books: Any) -> None:
    books.told.pop()


def mailed_twice(books: Any) -> None:
    books.mails.append(books.mails[0])


def picked_otherwise(books: Any) -> None:
    books.picks[0].index = 5


def mined_elsewhere(books: Any) -> None:
    books.taken[1].hash = "0xother"


def not_verified(books: Any) -> None:
    books.verdict.code = 1


def test_right_books_lose_nothing() -> None:
    assert right().losses() == {}


def test_a_winner_who_also_steps_up_is_mailed_both() -> None:
    books = right()
    books.mails.append({"to": ["alice"], "subject": "You won after all: Strap", "text": "/verify/raffle"})
    assert books.losses() == {}


@pytest.mark.parametrize(
    ("breakage", "loss"),
    [
        (not_settled, DrawLoss.NONE),
        (never_on_the_chain, DrawLoss.NONE),
        (committed_twice, DrawLoss.SECOND),
        (decided_twice, DrawLoss.SECOND),
        (prize_held_by_nobody, DrawLoss.SECOND),
        (forfeited_by_nobody, DrawLoss.SECOND),
        (sent_twice, DrawLoss.DOUBLED),
        (signed_twice, DrawLoss.DOUBLED),
        (told_twice, DrawLoss.TOLD),
        (never_told, DrawLoss.TOLD),
        (mailed_twice, DrawLoss.TOLD),
        (picked_otherwise, DrawLoss.UNLIKE),
        (mined_elsewhere, DrawLoss.UNLIKE),
        (not_verified, DrawLoss.UNLIKE),
    ],
)
def test_what_is_really_broken_is_reported_as_lost(breakage: Callable[[Any], None], loss: DrawLoss) -> None:
    books = right()
    breakage(books)
    assert loss in books.losses()


def test_a_chain_without_gaps_has_no_faults() -> None:
    assert right().chain.faults(known=4) == []


@pytest.mark.parametrize(
    "change", [{"waiting": 5}, {"nonces": 3}, {"numbers": Counter([1, 1])}, {"numbers": Counter([1, 3])}]
)
def test_a_gap_in_nonces_or_numbers_is_a_fault(change: dict[str, Any]) -> None:
    chain = right().chain
    for name, value in change.items():
        setattr(chain, name, value)
    assert chain.faults(known=4)


def test_a_transaction_that_no_row_knows_is_a_fault() -> None:
    assert right().chain.faults(known=3)


def test_a_call_that_settles_several_draws_counts_for_each() -> None:
    books, hashes = ChainBooks(), ["11" * 32, "22" * 32]
    words = [f"{160:064x}", *["00" * 32] * 4, f"{2:064x}", *hashes]
    books.note_call(SETTLE_MANY + "".join(words))
    assert books.calls == {("settle", each): 1 for each in hashes}


def test_an_announcement_counts_for_its_manifest_not_its_raffle() -> None:
    books = ChainBooks()
    books.note_call(ANNOUNCE + "01" * 32 + MANIFEST + f"{1:064x}" * 3)
    assert books.calls == {("announce", MANIFEST): 1}
