"""The checks of the page, run under node on whole made draws: honest ones, and each rule broken by itself."""

import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from verification import verifier

from .page_node import STATIC, Case, by_the_page, states
from .verifier_draws import (
    FACTS,
    NO_REASON,
    PURCHASES,
    QUICKNET,
    WITHDRAWN,
    Draw,
    Entry,
    Leaf,
    csv_of,
    development_draw,
    entries_of,
    hold,
    log_csv_of,
    log_of,
    manifest_of,
    nonce_of,
    quicknet_draw,
    seconds,
    sha,
    to_bytes,
)

VERDICTS = {"verified": "VERIFIED", "consistent": "CONSISTENT", "not verified": "NOT VERIFIED", "unread": "NOT JUDGED"}
FLIPS = 90
CLOSES = seconds("2026-02-01T00:00:00Z")
OPENS = seconds("2026-01-01T00:00:00Z")


def by_the_verifier(case: Case) -> str:
    log = None if case.log is None else io.BytesIO(case.log)
    return verifier.verify(case.bundle, io.BytesIO(case.entries), verifier.Given(log=log)).verdict


# Honest draws


def test_real_rounds_of_quicknet_are_consistent_and_only_the_place_is_open() -> None:
    draws = [quicknet_draw(number, chain_id=1) for number in range(len(FACTS["rounds"]))]
    for report in by_the_page([Case.of(draw) for draw in draws]):
        assert report["verdict"] == "consistent"
        assert states(report, "passed") == {check["name"] for check in report["checks"]}
        [gap] = report["gaps"]
        assert gap.startswith("The place: no node was asked")
        assert report["summary"]["beacon"] == "quicknet"
        assert report["summary"]["withdrawnTickets"] == 10


def test_honest_draws_of_every_size_hold() -> None:
    cases = []
    for size in (1, 2, 3, 7, 8, 9, 33, 100):
        purchases = [(f"00000000-0000-4000-8000-{n:012x}", 1 + n % 3) for n in range(size)]
        withdrawn = [entry_id for entry_id, _ in purchases[5::7]]
        draw = development_draw(log_of(purchases, withdrawn), capacity=1000, min_tickets=1)
        shuffled = [leaf for leaf in draw.log if leaf.kind == 1][::-1] + [leaf for leaf in draw.log if leaf.kind == 2]
        cases += [Case.of(draw), Case.of(development_draw(shuffled, capacity=1000, min_tickets=1))]
    sold_out = {"committed_at": 1_767_400_000}
    cases.append(Case.of(development_draw(capacity=33, max_per_person=10, made=sold_out)))
    cases.append(Case.of(development_draw(anchor=None, free_route=None)))
    for report in by_the_page(cases):
        assert (report["verdict"], report["failed"]) == ("consistent", [])
        assert not states(report, "unchecked")


def test_a_draw_on_a_development_chain_is_called_one_and_may_be_quick() -> None:
    draw = development_draw(chain_id=31337, delay_seconds=0, void_after_seconds=1)
    [report] = by_the_page([Case.of(draw)])
    assert (report["verdict"], report["isDevelopment"]) == ("consistent", True)


@pytest.mark.parametrize("stage", ["published", "committed"])
def test_before_the_draw_what_is_there_is_checked_and_the_rest_is_named(stage: str) -> None:
    [report] = by_the_page([Case.of(development_draw(chain_id=1, made={"stage": stage}))])
    assert report["verdict"] == "consistent"
    assert {"entries root", "log root", "log entries", "commitment"} <= states(report, "passed")
    assert {"seed", "picks indices", "beacon signature"} <= states(report, "unchecked")
    assert any("still" in gap for gap in report["gaps"])


def test_without_the_log_the_gap_is_named() -> None:
    [report] = by_the_page([replace(Case.of(development_draw()), log=None)])
    assert report["verdict"] == "consistent"
    assert report["gaps"][0].startswith("The log: it was not given.")
    early = {"committed_at": 1_767_400_000}
    [report] = by_the_page([replace(Case.of(development_draw(capacity=33, max_per_person=10, made=early)), log=None)])
    assert "commitment time" in states(report, "unchecked")  # its last tickets were withdrawn: was it sold out?


# The source of randomness that the visitor names


def judged_with(draw: Draw, beacon: Any) -> dict[str, Any]:
    """What the page says, which is what the verifier says of `--beacon`."""
    named = json.dumps(beacon)
    case = Case.of(draw, beacon=named)
    given = verifier.Given(log=io.BytesIO(case.log), beacon=named.encode())
    by_the_verifier = verifier.verify(case.bundle, io.BytesIO(case.entries), given).verdict
    [report] = by_the_page([case])
    if not report["named"]["unread"]:
        assert VERDICTS[report["verdict"]] == by_the_verifier
    return report


def test_a_foreign_source_is_a_gap_until_the_visitor_names_it() -> None:
    draw = development_draw()
    [unnamed] = by_the_page([Case.of(draw)])
    named = judged_with(draw, json.loads(draw.bundle["manifest"])["beacon"])
    assert unnamed["verdict"] == named["verdict"] == "consistent"
    [gap] = set(unnamed["gaps"]) - set(named["gaps"])
    assert gap.startswith("The source of randomness")


@pytest.mark.parametrize("name", ["chain_hash", "public_key", "genesis_time", "period", "scheme"])
def test_a_named_source_that_differs_in_one_member_is_not_the_promised_one(name: str) -> None:
    draw = development_draw()
    promised = json.loads(draw.bundle["manifest"])["beacon"]
    other = promised[name] + 1 if isinstance(promised[name], int) else "cd" * (len(promised[name]) // 2)
    report = judged_with(draw, promised | {name: other})
    assert (report["verdict"], [check["name"] for check in report["failed"]]) == ("not verified", ["source"])
    assert report["failed"][0]["detail"].startswith(name)


@pytest.mark.parametrize("text", ["5", {}, {"chain_hash": "ab"}, [QUICKNET], "x" * 5000], ids=str)
def test_what_is_no_source_changes_nothing(text: Any) -> None:
    report = judged_with(development_draw(), text)
    assert report["named"]["unread"]
    assert report["verdict"] == "consistent"
    assert any(gap.startswith("The source of randomness") for gap in report["gaps"])


# Each rule broken by itself, and all that follows from it made anew


def with_log(change: Callable[[list[Leaf]], object], **changed: Any) -> Draw:
    log = log_of()
    change(log)
    return development_draw(log, **changed)


def with_entries(change: Callable[[list[Entry]], list[Entry]]) -> Draw:
    log = log_of()
    return development_draw(log, made={"entries": change(entries_of(log))})


def edited(change: Callable[[dict], object], **changed: Any) -> Draw:
    draw = development_draw(**changed)
    change(draw.bundle)
    return draw


def put(place: str, value: Any) -> Callable[[dict], object]:
    """Replaces what stands at `picks.0.index`, say."""

    def change(bundle: dict) -> None:
        *way, last = place.split(".")
        for step in way:
            bundle = bundle[int(step) if step.isdigit() else step]
        bundle[int(last) if last.isdigit() else last] = value

    return change


def at(place: int, **changed: Any) -> Callable[[list[Leaf]], object]:
    def change(log: list[Leaf]) -> None:
        log[place] = log[place]._replace(**changed)

    return change


def swap(log: list[Leaf], one: int, other: int) -> None:
    log[one], log[other] = log[other], log[one]


def outcomes(*make: Callable[[Draw], Leaf]) -> Draw:
    draw = development_draw()
    return draw.with_outcomes(*(one(draw) for one in make))


def shifted_quicknet() -> Draw:
    """A real round under a genesis a second earlier, which makes another round the due one."""
    real = quicknet_draw()
    manifest = real.manifest | {"beacon": QUICKNET | {"genesis_time": QUICKNET["genesis_time"] - 1}}
    facts = real.bundle["beacon"]
    made = {"round_number": facts["round"], "signature": bytes.fromhex(facts["signature"])}
    return hold(manifest, real.log, committed_at=real.bundle["place"]["committed_at"], **made)


PRIZES = [{"position": n, "name": f"{n}", "value": None, "cash_alternative": None} for n in range(1, 100)]
MANIFESTS: dict[str, dict[str, Any]] = {
    "protocol": {"protocol": "luxewin/draw/v1"},
    "a member too few": {"operator": ...},
    "a member too many": {"note": "x"},
    "closes before it opens": {"closes_at": "2026-01-01T00:00:00Z", "free_route": None},
    "no prizes": {"prizes": []},
    "positions with a gap": {"prizes": [PRIZES[0], PRIZES[2]]},
    "too many picks": {"prizes": PRIZES[:98], "alternates": 3},
    "more prizes than tickets": {"prizes": PRIZES[:40], "capacity": 39, "max_per_person": 10},
    "a minimum above the capacity": {"min_tickets": 101},
    "a limit above the capacity": {"max_per_person": 101},
    "a limit of 0": {"max_per_person": 0},
    "free until before the sale": {"free_route": {"instructions": "", "until": "2026-01-01T00:00:00Z"}},
    "free until after the sale": {"free_route": {"instructions": "", "until": "2026-02-01T00:00:01Z"}},
    "too short to claim": {"claim_seconds": 86_399},
    "a year and a second": {"commit_within_seconds": 31_536_001},
    "too short a delay": {"delay_seconds": 599},
    "too early a void": {"void_after_seconds": 604_799},
    "currency": {"currency": "EUR"},
    "hour 24": {"opens_at": "2026-01-01T24:00:00Z"},
    "no such day": {"opens_at": "2026-02-30T00:00:00Z"},
    "1969": {"opens_at": "1969-12-31T23:59:59Z"},
    "second 60": {"opens_at": "2026-01-01T00:00:60Z"},
    "other digits": {"opens_at": "٢026-01-01T00:00:00Z"},
    "a fraction of a second": {"opens_at": "2026-01-01T00:00:00.0Z"},
    "a contract in capitals": {"anchor": {"chain_id": 1, "contract": "0x" + "C0DE" * 10}},
    "a key of small order": {"receipt_key": "01" + "00" * 31},
    "a negative price": {"ticket_price": -1},
}
BROKEN: dict[str, tuple[Callable[[], Draw], set[str]]] = {
    # 2. Entries
    "entries overlap": (
        lambda: with_entries(lambda rows: [rows[0], rows[1]._replace(first_ticket=3), *rows[2:]]),
        {"entries order", "log entries"},
    ),
    "an entry twice": (
        lambda: with_entries(lambda rows: [*rows[:4], rows[4]._replace(entry_id=rows[0].entry_id)]),
        {"entries unique", "log entries"},
    ),
    "a holder twice": (
        lambda: with_entries(lambda rows: [*rows[:4], rows[4]._replace(holder=rows[0].holder)]),
        {"entries unique", "log entries"},
    ),
    "too many for one": (lambda: development_draw(max_per_person=9), {"entries limits", "log purchases"}),
    "beyond the capacity": (lambda: development_draw(capacity=28), {"entries limits", "log tickets"}),
    "withdrawn beyond the capacity": (lambda: development_draw(capacity=32), {"log tickets"}),
    "fewer than the minimum": (lambda: development_draw(min_tickets=24), {"entries limits"}),
    # 3. Log
    "left out": (lambda: with_entries(lambda rows: rows[1:]), {"log entries"}),
    "slipped in": (
        lambda: with_entries(lambda rows: [*rows, Entry(WITHDRAWN[1], 30, 4, sha(nonce_of(WITHDRAWN[1])).hex())]),
        {"log entries"},
    ),
    "another holder": (
        lambda: with_entries(lambda rows: [rows[0]._replace(holder="ab" * 32), *rows[1:]]),
        {"log entries"},
    ),
    "a skipped number": (lambda: with_log(at(0, a=2, b=2)), {"log tickets"}),
    "numbers that overlap": (lambda: with_log(at(0, b=4)), {"entries order", "log tickets"}),
    "entered twice": (
        lambda: with_log(lambda log: log.append(log[0]._replace(a=34, x="ab" * 32))),
        {"entries unique", "log purchases"},
    ),
    "one holder in two entries": (lambda: with_log(at(1, x=log_of()[0].x)), {"entries unique", "log purchases"}),
    "one holder, withdrawn": (
        lambda: with_log(lambda log: (at(2, x=log[0].x)(log), at(3, x=log[0].x)(log))),
        {"log purchases"},
    ),
    "withdrawn twice": (lambda: with_log(lambda log: log.append(log[3])), {"log purchases"}),
    "withdrawn, never entered": (
        lambda: with_log(lambda log: log.append(log[3]._replace(entry_id="00000000-0000-4000-8000-000000000001"))),
        {"log purchases"},
    ),
    "withdrawn otherwise than entered": (lambda: with_log(at(3, b=5)), {"log purchases"}),
    "withdrawn before it was entered": (lambda: with_log(lambda log: swap(log, 2, 3)), {"log purchases"}),
    "a count of 0": (lambda: with_log(lambda log: (at(2, b=0)(log), at(3, b=0)(log))), {"log purchases"}),
    "an outcome before the commitment": (
        lambda: with_log(lambda log: log.append(log[0]._replace(kind=4))),
        {"log kinds"},
    ),
    "a purchase after the commitment": (
        lambda: development_draw().with_outcomes(
            Leaf(1, "00000000-0000-4000-8000-000000000001", 34, 1, "ab" * 32, CLOSES)
        ),
        {"log kinds"},
    ),
    "a prefix committed": (lambda: development_draw(made={"log_size": 4}), {"log kinds"}),
    "before the opening": (lambda: with_log(at(0, at=OPENS - 1)), {"log times"}),
    "after the commitment": (lambda: with_log(at(8, at=CLOSES + 101)), {"log times"}),
    "a withdrawal after the commitment": (lambda: with_log(at(3, at=CLOSES + 101)), {"log times"}),
    "another log's root": (
        lambda: edited(put("log.root", "ab" * 32)),
        {"log root", "commitment", "seed", "picks indices"},
    ),
    "a shorter log": (lambda: replace(development_draw(), log=log_of()[:-1]), {"log kinds"}),
    # 3. Outcomes
    "an outcome of no pick": (lambda: outcomes(lambda d: d.claim(1, 1)._replace(a=5)), {"log outcomes"}),
    "another entry's outcome": (
        lambda: outcomes(lambda d: d.claim(1, 1)._replace(entry_id=WITHDRAWN[0])),
        {"log outcomes"},
    ),
    "claimed twice": (lambda: outcomes(lambda d: d.claim(1, 1), lambda d: d.claim(1, 1)), {"log outcomes"}),
    "another's prize": (lambda: outcomes(lambda d: d.claim(1, 2)), {"log outcomes"}),
    "an alternate not called": (lambda: outcomes(lambda d: d.claim(3, 1)), {"log outcomes"}),
    "a prize passed to the second alternate": (
        lambda: outcomes(lambda d: d.forfeit(1, 1), lambda d: d.claim(4, 1)),
        {"log outcomes"},
    ),
    "unclaimed too early": (
        lambda: outcomes(lambda d: d.forfeit(1, 1, "unclaimed", after=1_209_599)),
        {"log outcomes"},
    ),
    "an alternate's turn cut short": (
        lambda: outcomes(lambda d: d.forfeit(1, 1, after=10), lambda d: d.forfeit(3, 1, "unclaimed", after=1_209_609)),
        {"log outcomes"},
    ),
    "unclaimed by one never called": (
        lambda: outcomes(lambda d: d.forfeit(3, 0, "unclaimed", after=9_999_999)),
        {"log outcomes"},
    ),
    "a claim with a reason": (lambda: outcomes(lambda d: d.claim(1, 1)._replace(x="ab" * 32)), {"log outcomes"}),
    "an outcome before the draw": (lambda: outcomes(lambda d: d.claim(1, 1, after=-1)), {"log outcomes"}),
    "an outcome while the round is awaited": (
        lambda: development_draw(made={"stage": "committed"}).with_outcomes(
            Leaf(4, PURCHASES[0][0], 1, 1, NO_REASON, CLOSES + 9999)
        ),
        {"log outcomes"},
    ),
    # 4. Commitment
    "committed too early": (lambda: development_draw(made={"committed_at": CLOSES - 1}), {"commitment time"}),
    "sold out by skipped numbers": (
        lambda: with_log(at(7, a=97), made={"committed_at": CLOSES - 1}),
        {"log tickets", "log purchases"},
    ),
    "committed before it opened": (
        lambda: development_draw(capacity=33, max_per_person=10, made={"committed_at": OPENS - 1}),
        {"commitment time", "log times"},
    ),
    "committed too late": (lambda: development_draw(made={"committed_at": CLOSES + 86_401}), {"commitment time"}),
    "another commitment": (lambda: edited(put("commitment", "ab" * 32)), {"commitment", "seed", "picks indices"}),
    # 5. Beacon
    "the round after": (lambda: development_draw(made={"round_number": 23_301_669}), {"beacon round"}),
    "a round of the past": (lambda: development_draw(made={"round_number": 1234}), {"beacon round"}),
    "a shifted genesis": (shifted_quicknet, {"beacon chain", "beacon round"}),
    "quicknet's hash alone": (
        lambda: development_draw(beacon=manifest_of()["beacon"] | {"chain_hash": QUICKNET["chain_hash"]}),
        {"beacon chain"},
    ),
    "another scheme": (
        lambda: development_draw(beacon=manifest_of()["beacon"] | {"scheme": "x"}),
        {"beacon chain", "beacon signature"},
    ),
    "another round's signature": (
        lambda: development_draw(made={"signature": bytes.fromhex(FACTS["rounds"][0]["signature"])}),
        {"beacon signature"},
    ),
    "other randomness": (lambda: edited(put("beacon.randomness", "ab" * 32)), {"beacon randomness"}),
    # 6. Seed and picks, 7. bundle
    "another seed": (lambda: edited(put("seed", "ab" * 32)), {"seed"}),
    "a pick too few": (lambda: edited(lambda bundle: bundle["picks"].pop()), {"picks number"}),
    "another ticket": (lambda: edited(put("picks.0.ticket", 1)), {"picks entries"}),
    "another holder of a pick": (lambda: edited(put("picks.0.holder", "ab" * 32)), {"picks entries", "picks paths"}),
    "another role": (lambda: edited(put("picks.3.role", "winner")), {"picks roles"}),
    "a prize by name": (lambda: edited(put("picks.0.prize", "A watch")), {"bundle"}),
    "another's prize in the bundle": (lambda: edited(put("picks.0.prize", 2)), {"picks roles"}),
    "a broken path": (lambda: edited(put("picks.0.path.0.sum", 9)), {"picks paths"}),
    "a sum beyond the range": (lambda: edited(put("picks.0.path.0.sum", 2**53 - 1)), {"picks paths"}),
    "another raffle": (lambda: edited(put("raffle", WITHDRAWN[0])), {"manifest raffle"}),
    "another protocol": (lambda: edited(put("protocol", "luxewin/draw/v1")), {"protocol"}),
    "a settlement without a chain": (
        lambda: edited(put("settlement", {"transaction": "0x" + "0" * 64, "block": 1})),
        {"bundle stage"},
    ),
    "a commitment in no block": (lambda: edited(put("place.commit", None), chain_id=1), {"bundle stage"}),
    "drawn, but not committed": (lambda: edited(put("place.committed_at", None)), {"bundle stage"}),
    "picks before the draw": (
        lambda: edited(put("picks", development_draw().bundle["picks"]), made={"stage": "committed"}),
        {"bundle stage"},
    ),
    "a member too many": (lambda: edited(lambda bundle: bundle.update(note="")), {"bundle"}),
    "a member too few": (lambda: edited(lambda bundle: bundle.pop("seed")), {"bundle"}),
    "2^53": (lambda: edited(put("picks.0.index", 2**53)), {"bundle"}),
    "a fraction": (lambda: edited(put("picks.0.index", 1.0)), {"bundle"}),
    "a boolean": (lambda: edited(put("picks.0.index", True)), {"bundle"}),
}


def broken_draws() -> Iterator[tuple[str, Draw, set[str]]]:
    for name, (make, expected) in BROKEN.items():
        yield name, make(), expected
    for name, changed in MANIFESTS.items():
        manifest = manifest_of(**changed)
        made = {"committed_at": CLOSES + 100, "round_number": 23_301_668}
        yield f"manifest: {name}", hold(manifest, log_of(), **made), {"manifest JSON", "manifest content"}


def test_each_broken_rule_is_named_and_the_verifier_agrees() -> None:
    draws = list(broken_draws())
    missed = {}
    for (name, draw, expected), report in zip(draws, by_the_page([Case.of(draw) for _, draw, _ in draws]), strict=True):
        failed = states(report, "failed")
        if report["verdict"] != "not verified" or not failed or not failed <= expected:
            missed[name] = (report["verdict"], failed, [check["detail"] for check in report["failed"]])
        if by_the_verifier(Case.of(draw)) != "NOT VERIFIED":
            missed[name] = "the verifier differs"
    assert missed == {}


def test_outcomes_that_keep_the_rules_hold() -> None:
    cases = [
        outcomes(lambda d: d.claim(1, 1), lambda d: d.forfeit(2, 2), lambda d: d.claim(3, 2)),
        outcomes(lambda d: d.forfeit(1, 1, "unclaimed", after=1_209_600), lambda d: d.claim(3, 1, after=1_300_000)),
        outcomes(lambda d: d.forfeit(3, 0), lambda d: d.forfeit(1, 1), lambda d: d.claim(4, 1)),
        outcomes(*(lambda d, n=n: d.forfeit(n, n) for n in (1, 2)), lambda d: d.forfeit(3, 1), lambda d: d.claim(4, 2)),
    ]
    for report in by_the_page([Case.of(draw) for draw in cases]):
        assert report["verdict"] == "consistent", report["failed"]


# Files as they should not be: cut, swapped, or with bytes changed


def test_cut_files_are_unread_and_say_nothing_against_the_draw() -> None:
    whole = Case.of(development_draw())
    cuts = [
        *(replace(whole, bundle=whole.bundle[:size]) for size in (0, 1, 1000, len(whole.bundle) - 1)),
        *(replace(whole, entries=whole.entries[:size]) for size in (0, 10, 200, len(whole.entries) - 1)),
        *(replace(whole, log=(whole.log or b"")[:size]) for size in (0, 10, 200, len(whole.log or b"") - 1)),
        replace(whole, bundle=b"<html>Busy</html>"),
        replace(whole, bundle=b"\xff\xfe"),
    ]
    for case, report in zip(cuts, by_the_page(cuts), strict=True):
        assert (report["verdict"], report["failed"]) == ("unread", [])
        assert report["unread"]
        assert by_the_verifier(case) == "NOT JUDGED"


def test_swapped_files_are_said_to_be_swapped() -> None:
    bundle, entries, log = development_draw().files
    orders = [
        (bundle, log, entries),
        (entries, bundle, log),
        (log, entries, bundle),
        (bundle, bundle, log),
        (bundle, entries, entries),
    ]
    for report in by_the_page([Case(*order) for order in orders]):
        assert report["verdict"] == "unread"
        assert all("swapped" in check["detail"] for check in report["unread"])


def rows(*changes: tuple[bytes, bytes]) -> Iterator[tuple[str, Case]]:
    whole = Case.of(development_draw())
    for old, new in changes:
        assert old in whole.entries
        assert old in (whole.log or b"")
        yield f"entries {new!r}", replace(whole, entries=whole.entries.replace(old, new, 1))
        yield f"log {new!r}", replace(whole, log=(whole.log or b"").replace(old, new, 1))


def odd_files() -> Iterator[tuple[str, Case]]:
    whole = Case.of(development_draw())
    yield from rows(
        *(
            (b",1,3,", new)
            for new in (b",01,3,", b",+1,3,", b",-1,3,", b",1.0,3,", b",,3,", b", 1,3,", b",9007199254740992,3,")
        ),
        *(
            (b"0c5ab6a1-", new)
            for new in (b"0C5ab6a1-", b"0c5ab6a1", b"\xef\xbb\xbf0c5ab6a1-", b'"0c5ab6a1-', b"\n0c5ab6a1-")
        ),
        *((b"\n", new) for new in (b"\r\n", b"\n\n", b"\x0b", b"\x0b\n")),
    )
    yield "an empty entries file", replace(whole, entries=b"entry_id,first_ticket,count,holder\n")
    yield "another header", replace(whole, entries=whole.entries.replace(b"holder", b"person"))
    yield "a long line", replace(whole, entries=b"entry_id,first_ticket,count,holder\n" + b"0" * 100_000)
    yield "an empty log", Case.of(development_draw([], made={"entries": entries_of(log_of())}))
    yield "kind 0", replace(whole, log=(whole.log or b"").replace(b"\n1,", b"\n0,", 1))
    yield "kind 5", replace(whole, log=(whole.log or b"").replace(b"\n1,", b"\n5,", 1))
    yield "a member twice", replace(whole, bundle=b'{"\\u0073eed": null,' + whole.bundle[1:])
    yield "__proto__", replace(whole, bundle=whole.bundle[:-1] + b', "__proto__": {}}')
    yield "deep", replace(whole, bundle=b"[" * 100_000)
    for number in (b"-0", b"NaN", b"-1", b"1e0", b"1.", b"01", b"9007199254740992", b"-Infinity"):
        yield (
            f"the number {number!r}",
            replace(whole, bundle=whole.bundle.replace(b'"position": 1', b'"position": ' + number)),
        )


def test_odd_files_get_the_verifiers_verdict() -> None:
    names, cases = zip(*odd_files(), strict=True)
    differing = {}
    for name, case, report in zip(names, cases, by_the_page(cases), strict=True):
        theirs = by_the_verifier(case)
        if report["verdict"] in {"verified", "consistent"} or VERDICTS[report["verdict"]] != theirs:
            differing[name] = (report["verdict"], theirs, [check["detail"] for check in report["checks"]][:1])
    assert differing == {}


def test_any_byte_changed_in_any_file_gets_the_verifiers_verdict() -> None:
    dice = random.Random(20261130)
    whole = Case.of(development_draw().with_outcomes())
    cases = []
    for number in range(FLIPS):
        name = ("bundle", "entries", "log")[number % 3]
        data = bytearray(getattr(whole, name))
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        cases.append(replace(whole, **{name: bytes(data)}))
    differing = []
    for case, report in zip(cases, by_the_page(cases), strict=True):
        theirs = by_the_verifier(case)
        if VERDICTS[report["verdict"]] != theirs:
            differing.append(
                (theirs, report["verdict"], [check["detail"] for check in report["failed"] + report["unread"]])
            )
    assert differing == []


def test_titles_and_names_may_be_any_text() -> None:
    words = ["", "\u0085", "\ufeff", "\u2028", "\u007f", "__proto__", "e\u0301", "\U0001f600", "<b>", '"\\\n']
    cases = [Case.of(development_draw(title=word, operator=word, conditions=word)) for word in words]
    assert [report["verdict"] for report in by_the_page(cases)] == ["consistent"] * len(words)
    lone = edited(lambda bundle: bundle.update(raffle="\ud800"))
    [report] = by_the_page([Case(to_bytes(lone.bundle), csv_of(lone.entries), log_csv_of(lone.log))])
    assert report["verdict"] == "not verified"


def test_reasons_are_plain_ascii_and_short_whatever_the_files_hold() -> None:
    strange = "\x1b[2J\u202e\U0001f600" + "x" * 10_000
    bundle = development_draw().bundle | {"protocol": strange}
    cases = [
        Case(to_bytes(bundle), strange.encode(), strange.encode()),
        Case(to_bytes(bundle | {strange: 1}), b"", b""),
        Case(b"\xff" * 99, b"", None),
    ]
    for check in (check for report in by_the_page(cases) for check in report["checks"]):
        assert check["detail"].isascii()
        assert len(check["detail"]) < 500
        assert "\x1b" not in check["detail"]


def test_a_bundle_that_names_any_number_of_rows_takes_no_memory_for_them() -> None:
    draw = edited(lambda bundle: (put("entries.count", 2**53 - 1)(bundle), put("log.size", 2**53 - 1)(bundle)))
    [report] = by_the_page([Case.of(draw)])
    assert {"entries count", "log kinds"} <= states(report, "failed")


def test_every_check_has_words_for_people() -> None:
    code = (STATIC / "explanations.js").read_text()
    [report] = by_the_page([Case.of(development_draw())])
    for name in (check["name"] for check in report["checks"]):
        assert f"  {name}: [" in code or f'  "{name}": [' in code


def test_the_summary_can_be_posted_and_names_what_every_verdict_names() -> None:
    draw = quicknet_draw(chain_id=1)
    [report] = by_the_page([Case.of(draw)])
    summary = json.loads(json.dumps(report["summary"]))
    assert summary["title"] == draw.manifest["title"]
    assert (summary["sequence"], summary["chainId"], summary["delay"]) == (7, 1, 900)
    assert [pick["prize"] for pick in summary["picks"]] == ["A watch", "A smaller watch", None, None]
