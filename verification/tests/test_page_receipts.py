"""What the page says of receipts, heads and ticket numbers, run under node."""

from dataclasses import replace
from typing import Any

import pytest

from .page_node import Case, by_the_page
from .verifier_draws import OTHER_KEY, WITHDRAWN, Draw, development_draw, log_of

OTHER = "99999999-9999-4999-8999-999999999999"


def answers(draw: Draw, *texts: Any, log: bool = True) -> list[dict[str, Any]]:
    case = Case.of(draw, *texts)
    [report] = by_the_page([case if log else replace(case, log=None)])
    return [answer | {"verdict": report["verdict"]} for answer in report["answers"]]


@pytest.mark.parametrize("stage", ["published", "committed", "drawn"])
def test_a_receipt_says_if_its_tickets_are_in_at_every_stage(stage: str) -> None:
    draw = development_draw(made={"stage": stage})
    kept, gone = answers(draw, draw.receipt(0), draw.receipt(2))
    assert (kept["outcome"], kept["tone"]) == ("in", "good")
    assert kept["lines"][0] == "Yes. Tickets 1 to 3 (3 tickets) are in the draw."
    assert ("still to come" in kept["lines"][1]) == (stage != "drawn")
    assert (gone["outcome"], gone["tone"], gone["conviction"]) == ("withdrawn", "warn", "")
    assert "bank statement" in gone["lines"][1]
    assert kept["verdict"] == "consistent"


def test_a_receipt_names_the_picks_among_its_tickets() -> None:
    draw = development_draw()
    pick = draw.bundle["picks"][0]
    place = next(place for place, leaf in enumerate(draw.log) if leaf.entry_id == pick["entry_id"])
    [found] = answers(draw, draw.receipt(place))
    assert f"Ticket {pick['ticket']} was pick 1: winner of A watch." in found["lines"]


@pytest.mark.parametrize(
    "changed",
    [
        {"entry_id": OTHER},
        {"holder": "ab" * 32, "nonce": None},
        {"count": 4},
        {"first_ticket": 2},
    ],
    ids=str,
)
def test_a_signed_receipt_whose_entry_is_not_there_convicts_the_operator(changed: dict[str, Any]) -> None:
    draw = development_draw()
    [found] = answers(draw, draw.receipt(0, **changed))
    assert (found["outcome"], found["tone"], found["verdict"]) == ("left out", "bad", "not verified")


def test_an_operator_who_drops_an_entry_from_log_and_tree_is_convicted_by_its_receipt() -> None:
    whole = development_draw()
    short = development_draw([leaf for leaf in log_of() if leaf.entry_id != whole.log[-2].entry_id])
    honest, convicted = answers(short, short.receipt(0), whole.receipt(len(whole.log) - 2))
    assert honest["outcome"] == "in"
    assert convicted["outcome"] == "left out"
    assert convicted["conviction"].startswith("The operator signed a receipt for entry f3a9e7c0-")


def test_an_operator_who_drops_an_entry_from_the_tree_alone_fails_by_the_log_too() -> None:
    draw = development_draw()
    dropped = development_draw(made={"entries": draw.entries[1:]})
    [found] = answers(dropped, draw.receipt(0))
    assert found["outcome"] == "left out"


def test_a_withdrawal_of_other_numbers_is_no_withdrawal_of_this_entry() -> None:
    draw = development_draw()
    [found] = answers(draw, draw.receipt(2, count=7))
    assert found["outcome"] == "left out"


def test_receipts_of_other_promises_are_named() -> None:
    draw, other = development_draw(), development_draw(title="Another", raffle=OTHER)
    parallel = development_draw(title="The same raffle, promised otherwise")
    strange = other.receipt(0, key=OTHER_KEY)
    found, same_raffle, foreign_key = answers(draw, other.receipt(0), parallel.receipt(0), strange)
    assert (found["outcome"], found["tone"], found["conviction"]) == ("another manifest's", "warn", "")
    assert other.bundle["manifest_hash"] in found["lines"][0]
    assert (same_raffle["outcome"], same_raffle["tone"], same_raffle["verdict"]) == (
        "contradicting",
        "bad",
        "not verified",
    )
    assert foreign_key["outcome"] == "another manifest's"


def test_what_is_no_receipt_is_said_to_be_none_and_convicts_nobody() -> None:
    draw = development_draw()
    good = draw.receipt(0)
    texts = [
        good | {"signature": "00" * 64},
        good | {"count": 4},
        good | {"at": good["at"] + 1},
        good | {"note": "x"},
        {name: value for name, value in good.items() if name != "nonce"},
        draw.receipt(0, key=OTHER_KEY),
        draw.receipt(0, protocol="luxewin/draw/v1"),
        "{",
        "[]",
        "{}",
        "[" * 1000,
        "{" + " " * 20_000 + "}",
    ]
    for found in answers(draw, *texts):
        assert (found["outcome"], found["tone"], found["conviction"]) == ("not a receipt", "warn", ""), found
        assert found["verdict"] == "consistent"


def test_a_receipt_that_names_another_raffle_beside_this_promise_still_binds_the_operator() -> None:
    draw = development_draw()
    kept, missing = answers(draw, draw.receipt(0, raffle=OTHER), draw.receipt(0, raffle=OTHER, entry_id=OTHER))
    assert (kept["outcome"], missing["outcome"], missing["verdict"]) == ("in", "left out", "not verified")


def test_a_nonce_that_does_not_give_the_holder_is_mentioned() -> None:
    draw = development_draw()
    plain, own, wrong = answers(
        draw, draw.receipt(0), draw.receipt(0) | {"nonce": None}, draw.receipt(0) | {"nonce": "ab" * 32}
    )
    assert [found["outcome"] for found in (plain, own, wrong)] == ["in"] * 3
    assert [any("nonce" in line for line in found["lines"]) for found in (plain, own, wrong)] == [False, False, True]


def test_without_the_log_nobody_knows_if_a_missing_entry_was_withdrawn() -> None:
    draw = development_draw()
    kept, gone = answers(draw, draw.receipt(0), draw.receipt(2), log=False)
    assert kept["outcome"] == "in"
    assert (gone["outcome"], gone["tone"], gone["conviction"]) == ("not checked", "open", "")


def test_without_the_entries_no_receipt_is_judged() -> None:
    draw = development_draw()
    case = Case.of(draw, draw.receipt(0), "1")
    [report] = by_the_page([replace(case, entries=case.entries[:-1])])
    assert [answer["tone"] for answer in report["answers"]] == ["open", "open"]
    assert report["verdict"] == "unread"


def test_ticket_numbers_and_entry_ids_are_looked_up() -> None:
    draw = development_draw()
    last = draw.entries[-1]
    texts = [" 28 ", "14", "34", "9007199254740991", last.entry_id.upper(), WITHDRAWN[0], "mine", "", "0", "1.5"]
    found = answers(draw, *texts)
    assert [answer["outcome"] for answer in found] == ["in", *["not in"] * 3, "in", "not in", *["nothing"] * 4]
    assert last.entry_id in found[0]["lines"][-1]
    assert "entry 5 of 5" in found[4]["lines"][-1]


# Heads


def test_a_head_that_the_log_goes_on_from_is_kept() -> None:
    draw = development_draw()
    longer = draw.with_outcomes(draw.claim(1, 1))
    heads = [longer.head(), longer.head(9), longer.head(4), longer.head(0)]
    found = answers(longer, *heads)
    assert [answer["outcome"] for answer in found] == ["kept head"] * 4
    assert "outcomes included" in found[0]["lines"][0]


def test_a_head_that_the_log_breaks_convicts_the_operator() -> None:
    draw = development_draw()
    rewritten = replace(draw, log=[draw.log[1], draw.log[0], *draw.log[2:]])
    found = answers(
        draw, rewritten.head(2), draw.head(9, at=draw.log[0].at), draw.head(9, key=OTHER_KEY), draw.head() | {"size": 8}
    )
    assert [answer["outcome"] for answer in found] == ["broken head", "broken head", "not a receipt", "not a receipt"]
    assert found[0]["verdict"] == "not verified"
    grown = replace(draw, log=[*draw.log, draw.claim(1, 1)])
    before, after = answers(draw, grown.head(at=draw.drawn_at - 1), grown.head())
    assert (before["outcome"], before["tone"]) == ("broken head", "bad")
    assert (after["outcome"], after["tone"]) == ("not checked", "open")  # this log may be older than the head
