"""Every rule of sections 1 to 4, broken one at a time with all that follows made anew: the verifier names that rule.

Each draw here is consistent with itself: hashes, trees, commitment, seed and picks fit the broken rule.
"""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from verification import verifier

from .test_verifier import details, judged, judged_files, names
from .verifier_draws import (
    DEVELOPMENT_CHAIN,
    PURCHASES,
    WITHDRAWN,
    Draw,
    Leaf,
    csv_of,
    development_draw,
    entries_of,
    hold,
    log_csv_of,
    log_of,
    manifest_of,
    nonce_of,
    seconds,
    sha,
    to_bytes,
)

PRIZE = {"position": 1, "name": "A watch", "value": None, "cash_alternative": None}
FREE = {"instructions": "Send a postcard."}
CLOSES, OPENS = seconds("2026-02-01T00:00:00Z"), seconds("2026-01-01T00:00:00Z")

# Section 1: what is changed in the manifest, and the words that name the rule.
PROMISES: dict[str, tuple[dict[str, Any], str]] = {
    "closes as it opens": ({"opens_at": "2026-02-01T00:00:00Z"}, "is not before closes_at"),
    "no prize": ({"prizes": []}, "expected at least one"),
    "positions from 0": ({"prizes": [PRIZE | {"position": 0}]}, "expected 1, 2, ..."),
    "a position twice": ({"prizes": [PRIZE, PRIZE]}, "expected 1, 2, ..."),
    "a position left out": ({"prizes": [PRIZE, PRIZE | {"position": 3}]}, "expected 1, 2, ..."),
    "101 picks": ({"alternates": 99}, "prizes and alternates are 101"),
    "more prizes than tickets": (
        {"prizes": [PRIZE | {"position": n} for n in range(1, 36)], "capacity": 34},
        "35 prizes are more than the capacity of 34",
    ),
    "more asked for than there are": ({"min_tickets": 101}, "min_tickets 101 is above the capacity"),
    "a share above all": ({"max_per_person": 101}, "max_per_person is 101"),
    "no share": ({"max_per_person": 0}, "max_per_person is 0"),
    "a free route that closes as it opens": (
        {"free_route": FREE | {"until": "2026-01-01T00:00:00Z"}},
        "free_route.until is 2026-01-01T00:00:00Z",
    ),
    "a free route after the sale": (
        {"free_route": FREE | {"until": "2026-02-01T00:00:01Z"}},
        "free_route.until is 2026-02-01T00:00:01Z",
    ),
    "less than a day to claim": ({"claim_seconds": 86_399}, "claim_seconds is 86399"),
    "more than a year to claim": ({"claim_seconds": 31_536_001}, "claim_seconds is 31536001"),
    "a delay of 599 s": ({"delay_seconds": 599}, "delay_seconds is 599"),
    "a delay above a year": ({"delay_seconds": 31_536_001}, "delay_seconds is 31536001"),
    "a commitment after a year": ({"commit_within_seconds": 31_536_001}, "commit_within_seconds is 31536001"),
    "void within a week": ({"void_after_seconds": 604_799}, "void_after_seconds is 604799"),
    "void after a year": ({"void_after_seconds": 31_536_001}, "void_after_seconds is 31536001"),
}
# Section 1: what the manifest's members must look like.
MEMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "another protocol": ({"protocol": "luxewin/draw/v1"}, "manifest.protocol is 'luxewin/draw/v1'"),
    "a member too many": ({"secret": 1}, "unknown members ['secret']"),
    "a member too few": ({"conditions": ...}, "missing members ['conditions']"),
    "a capital currency": ({"currency": "EUR"}, "manifest.currency"),
    "a decimal price": ({"ticket_price": "5.00"}, "manifest.ticket_price"),
    "a capacity beyond 2^53": ({"capacity": 2**53}, "is not an integer from 0 to 2^53 - 1"),
    "a negative integer": ({"alternates": -1}, "is not an integer from 0 to 2^53 - 1"),
    "true for 1": ({"alternates": True}, "manifest.alternates"),
    "a prize without value": ({"prizes": [{"position": 1, "name": "A watch"}]}, "missing members"),
    "a free route without end": ({"free_route": FREE}, "missing members ['until']"),
    "a capital contract": ({"anchor": {"chain_id": 1, "contract": "0x" + "AB" * 20}}, "manifest.anchor.contract"),
    "a bare contract": ({"anchor": {"chain_id": 1, "contract": "ab" * 20}}, "manifest.anchor.contract"),
    "no raffle": ({"raffle": "5B1CBD5C-6D0E-4BB5-9F0D-1F6F4A0F7A11"}, "manifest.raffle"),
    "another beacon member": (
        {"beacon": {"chain_hash": "ab" * 32, "public_key": "ab" * 96, "genesis_time": 1, "period": 0, "scheme": ""}},
        "manifest.beacon.period",
    ),
}


@pytest.mark.parametrize(("changed", "words"), PROMISES.values(), ids=PROMISES)
def test_a_broken_promise_is_named(changed: dict[str, Any], words: str) -> None:
    report = judged(hold(manifest_of(**changed), log_of(), committed_at=CLOSES + 100))
    assert "manifest rules" in names(report)
    assert words in details(report)
    assert names(report) <= {"manifest rules", "log rules", "entries rules", "number of tickets"}


def test_the_bounds_themselves_are_allowed() -> None:
    changed = {
        "prizes": [PRIZE | {"position": n} for n in range(1, 34)],
        "alternates": 67,
        "capacity": 33,
        "min_tickets": 23,
        "max_per_person": 33,
        "free_route": FREE | {"until": "2026-02-01T00:00:00Z"},
        "claim_seconds": 86_400,
        "delay_seconds": 600,
        "void_after_seconds": 604_800,
        "commit_within_seconds": 100,
    }
    assert judged(development_draw(**changed)).verdict == "CONSISTENT"
    year = dict.fromkeys(("claim_seconds", "delay_seconds", "void_after_seconds", "commit_within_seconds"), 31_536_000)
    assert judged(development_draw(free_route=None, **year)).verdict == "CONSISTENT"


def test_on_a_development_chain_delays_may_be_short_and_a_claim_may_not() -> None:
    short = {"delay_seconds": 1, "void_after_seconds": 1}
    assert judged(development_draw(chain_id=DEVELOPMENT_CHAIN, **short)).verdict == "CONSISTENT"
    for chain_id in (1, None):
        assert names(judged(development_draw(chain_id=chain_id, **short))) == {"manifest rules"}
    assert names(judged(development_draw(chain_id=DEVELOPMENT_CHAIN, claim_seconds=1))) == {"manifest rules"}


@pytest.mark.parametrize(("changed", "words"), MEMBERS.values(), ids=MEMBERS)
def test_a_member_of_another_form_is_named(changed: dict[str, Any], words: str) -> None:
    made = development_draw()
    text = manifest_of(**changed)
    draw = Draw(made.bundle | {"manifest": to_bytes(text).decode()}, made.entries, made.log)
    report = judged(draw)
    assert "manifest" in names(report)
    assert words in details(report)


NO_TIMES = [
    "2026-02-01T24:00:00Z", "2026-02-01T23:60:00Z", "2026-02-01T23:59:60Z", "2026-02-30T00:00:00Z",
    "2025-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-02-00T00:00:00Z",
    "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2026-02-01T00:00:00", "2026-02-01T00:00:00+00:00",
    "2026-02-01T00:00:00.0Z", "2026-02-01t00:00:00z", "2026-02-01 00:00:00Z", "2026-2-1T00:00:00Z", "20260201T000000Z",
    "2026-W05-7T00:00:00Z", "12026-02-01T00:00:00Z", "-2026-02-01T00:00:00Z", " 2026-02-01T00:00:00Z",
    "2026-02-01T00:00:00Z\n", "\uff12\uff10\uff12\uff16-02-01T00:00:00Z", "2026-02-01T00:00:00Z\0", "", "never",
]  # fmt: skip


@pytest.mark.parametrize("time", NO_TIMES, ids=ascii)
def test_what_is_no_time_is_named(time: str) -> None:
    assert verifier.unix_seconds(time) is None
    made = development_draw()
    draw = Draw(made.bundle | {"manifest": to_bytes(manifest_of(closes_at=time)).decode()}, made.entries, made.log)
    assert "manifest.closes_at: expected a time" in details(judged(draw))


@pytest.mark.parametrize(
    ("time", "unix"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("2026-02-01T00:00:00Z", CLOSES),
    ],
)
def test_times_are_unix_seconds(time: str, unix: int) -> None:
    assert verifier.unix_seconds(time) == unix


# Sections 2 and 3: entries and log


def changed_log(place: int, **members: Any) -> list[Leaf]:
    """The usual log with one leaf changed."""
    log = log_of()
    log[place] = log[place]._replace(**members)
    return log


def purchases(*counts: int) -> list[tuple[str, int]]:
    return [(f"00000000-0000-4000-8000-{n:012x}", count) for n, count in enumerate(counts)]


def shifted(log: list[Leaf], start: int, by: int) -> list[Leaf]:
    """The leaves with every first ticket from `start` on moved."""
    return [leaf._replace(a=leaf.a + by) if leaf.a >= start else leaf for leaf in log]


LOG = log_of()
LOGS: dict[str, tuple[Sequence[Leaf], str]] = {
    "a skipped number": (shifted(LOG, 20, 1), "begins at ticket 21, expected 20"),
    "a number given twice": (shifted(LOG, 20, -1), "begins at ticket 19, expected 20"),
    "the first number skipped": (shifted(LOG, 1, 1), "begins at ticket 2, expected 1"),
    "a count of 0": (
        [leaf._replace(b=0) if leaf.a == 14 else leaf for leaf in shifted(LOG, 20, -6)],
        "leaf 2 has 0 tickets",
    ),
    "a count above the share": (log_of(purchases(3, 11), []), "leaf 1 has 11 tickets"),
    "more tickets than the capacity": (log_of(purchases(*[10] * 10, 1), []), "last ticket is 101, above the capacity"),
    "an entry twice": ([*LOG, LOG[0]._replace(a=34, b=1, x="11" * 32)], "has two leaves of kind 1"),
    "a holder twice": (
        [*LOG, LOG[0]._replace(entry_id=purchases(1)[0][0], a=34, b=1)],
        "is in two leaves of kind 1: one entry could be shown to two buyers",
    ),
    "a withdrawn holder again": (
        [*LOG, LOG[2]._replace(entry_id=purchases(1)[0][0], a=34, b=1)],
        "is in two leaves of kind 1",
    ),
    "withdrawn twice": ([*LOG, LOG[3]], f"withdraws {LOG[3].entry_id} a second time"),
    "withdrawn before it was entered": ([*LOG[:2], LOG[3], LOG[2], *LOG[4:]], "which only the later leaf 3 entered"),
    "withdrawn and never entered": (
        [*LOG, LOG[3]._replace(entry_id=purchases(1)[0][0])],
        "which no leaf of kind 1 entered",
    ),
    "a withdrawal of other tickets": (changed_log(3, a=15), "does not repeat a, b and x"),
    "a withdrawal of another count": (changed_log(3, b=5), "does not repeat a, b and x"),
    "a withdrawal of another holder": (changed_log(3, x="11" * 32), "does not repeat a, b and x"),
    "entered before the sale": (changed_log(0, at=OPENS - 1), f"leaf 0 has at = {OPENS - 1}, expected from opens_at"),
    "entered after the commitment": (changed_log(4, at=CLOSES + 101), f"leaf 4 has at = {CLOSES + 101}"),
    "withdrawn after the commitment": (changed_log(3, at=CLOSES + 101), f"leaf 3 has at = {CLOSES + 101}"),
    "a forfeit before the draw": ([*LOG, LOG[0]._replace(kind=3, a=1, b=1)], "leaf 9 is of kind 3, but the first 10"),
    "a claim before the draw": ([*LOG, LOG[0]._replace(kind=4, a=1, b=1)], "leaf 9 is of kind 4, but the first 10"),
}


@pytest.mark.parametrize(("log", "words"), LOGS.values(), ids=LOGS)
def test_a_broken_rule_of_the_log_is_named(log: Sequence[Leaf], words: str) -> None:
    report = judged(development_draw(log))
    assert "log rules" in names(report)
    assert words in details(report)
    assert names(report) <= {"log rules", "entries rules", "entries follow from the log", "paths", "number of tickets"}


@pytest.mark.parametrize("at", [OPENS, CLOSES, CLOSES + 100])
def test_a_leaf_may_be_as_early_as_the_sale_and_as_late_as_the_commitment(at: int) -> None:
    assert judged(development_draw(changed_log(0, at=at))).verdict == "CONSISTENT"


def test_the_order_of_leaves_is_not_that_of_their_times_or_tickets() -> None:
    log = [LOG[4]._replace(at=OPENS + 9), LOG[1], LOG[0], LOG[2], *LOG[5:], LOG[3]]
    assert judged(development_draw(log)).verdict == "CONSISTENT"


def test_the_last_ticket_withdrawn_counts_among_the_numbers_given() -> None:
    """Sold out with the last ticket withdrawn: the early commitment stands, and it says how many were withdrawn."""
    log = log_of(purchases(10, 10, 10, 10), [purchases(1, 1, 1, 1)[3][0]])
    made = {"committed_at": CLOSES - 1000}
    report = judged(development_draw(log, capacity=40, made=made))
    assert report.verdict == "CONSISTENT"
    assert dict(report.facts)["tickets"] == "30 in the draw; 10 tickets of 1 purchases were withdrawn"
    without = judged(development_draw(log, capacity=40, made=made), log=False)
    assert without.verdict == "CONSISTENT"
    assert "whether the raffle was sold out, only the log tells" in details(without, verifier.UNCHECKED)


def test_a_commitment_to_the_start_of_the_log_only_is_named() -> None:
    """A buyer is left out who is in the log, but not among the committed leaves."""
    report = judged(development_draw(made={"log_size": 7}))
    assert names(report) == {"log rules"}
    assert "leaf 7 is of kind 1, but after the first 7 are kinds 3 and 4 only" in details(report)


LEFT_OUT = PURCHASES[1][0]


def test_an_entry_left_out_of_the_tree_is_named() -> None:
    entries = [entry for entry in entries_of(LOG) if entry.entry_id != LEFT_OUT]
    report = judged(development_draw(made={"entries": entries}))
    assert names(report) == {"entries follow from the log"}
    assert f"entry {LEFT_OUT} is in the log, but not so in the entries" in details(report)


def test_a_withdrawn_entry_in_the_tree_is_named() -> None:
    entries = entries_of([leaf for leaf in LOG if leaf.kind == 1])
    report = judged(development_draw(made={"entries": entries}))
    assert names(report) == {"entries follow from the log"}
    assert f"entry {WITHDRAWN[0]} is in the entries, but not so in the log" in details(report)


def test_an_entry_with_another_holder_than_the_logs_is_named() -> None:
    entries = entries_of(LOG)
    entries[0] = entries[0]._replace(holder="11" * 32)
    report = judged(development_draw(made={"entries": entries}))
    assert names(report) == {"entries follow from the log"}
    assert f"entry {entries[0].entry_id} is in the log, but not so in the entries" in details(report)


ENTRIES = entries_of(LOG)
ENTRY_FAULTS = {
    "out of order": ([ENTRIES[1], ENTRIES[0], *ENTRIES[2:]], "ordered, no overlap"),
    "overlapping": ([ENTRIES[0], ENTRIES[1]._replace(first_ticket=3), *ENTRIES[2:]], "ordered, no overlap"),
    "ticket 0": ([ENTRIES[0]._replace(first_ticket=0), *ENTRIES[1:]], "begins at ticket 0, expected above 0"),
    "above the share": ([ENTRIES[0]._replace(first_ticket=40, count=11)], "has 11 tickets, more than max_per_person"),
    "above the capacity": ([*ENTRIES, ENTRIES[0]._replace(first_ticket=99)], "the last ticket is 101"),
    "an entry twice": ([*ENTRIES, ENTRIES[0]._replace(first_ticket=90, holder="11" * 32)], "is listed twice"),
    "a holder twice": (
        [*ENTRIES, ENTRIES[0]._replace(first_ticket=90, entry_id=purchases(1)[0][0])],
        "one entry could be shown to two buyers",
    ),
}


@pytest.mark.parametrize(("entries", "words"), ENTRY_FAULTS.values(), ids=ENTRY_FAULTS)
def test_a_broken_rule_of_the_entries_is_named_without_a_log(entries: list, words: str) -> None:
    report = judged(development_draw(made={"entries": entries}), log=False)
    assert "entries rules" in names(report)
    assert words in details(report)


def test_an_entry_without_tickets_is_named() -> None:
    entries, _ = verifier.read_entries(*table(csv_of([*ENTRIES, ENTRIES[0]._replace(first_ticket=90, count=0)])), 9)
    assert entries.faults == ["line 7 has a count of 0, expected 1 or more"]


# The files' form

CSV, LOG_CSV = csv_of(ENTRIES), log_csv_of(LOG)
ROW, LOG_ROW = CSV.splitlines(keepends=True)[1], LOG_CSV.splitlines(keepends=True)[1]
FORMS = {
    "CR": lambda csv, row: csv.replace(b"\n", b"\r\n"),
    "a CR in one line": lambda csv, row: csv.replace(row, row[:-1] + b"\r\n"),
    "byte order mark": lambda csv, row: b"\xef\xbb\xbf" + csv,
    "blank line": lambda csv, row: csv.replace(row, b"\n" + row),
    "blank last line": lambda csv, row: csv + b"\n",
    "quotes": lambda csv, row: csv.replace(row, b'"' + row.replace(b",", b'",', 1)),
    "space": lambda csv, row: csv.replace(row, row.replace(b",", b", ", 1)),
    "leading zero": lambda csv, row: csv.replace(b",3,", b",03,"),
    "plus": lambda csv, row: csv.replace(b",3,", b",+3,"),
    "minus": lambda csv, row: csv.replace(b",3,", b",-3,"),
    "fraction": lambda csv, row: csv.replace(b",3,", b",3.0,"),
    "upper case": lambda csv, row: csv.replace(b"0c5ab6a1", b"0C5AB6A1"),
    "no hyphens": lambda csv, row: csv.replace(b"0c5ab6a1-2a4b", b"0c5ab6a12a4b"),
    "Arabic digits": lambda csv, row: csv.replace(b",3,", ",٣,".encode()),
    "a column more": lambda csv, row: csv.replace(row, row[:-1] + b",1\n"),
    "a column less": lambda csv, row: csv.replace(row, row[: row.rindex(b",")] + b"\n"),
    "63 digits": lambda csv, row: csv.replace(row, row.replace(row.split(b",")[-1], row.split(b",")[-1][1:])),
    "NUL": lambda csv, row: csv.replace(b",3,", b",3\0,"),
    "not UTF-8": lambda csv, row: csv.replace(b",3,", b",3\xff,"),
    "beyond 2^53": lambda csv, row: csv.replace(b",3,", b",9007199254740992,"),
    "a huge integer": lambda csv, row: csv.replace(b",3,", b"," + b"9" * 10_000 + b","),
    "an endless line": lambda csv, row: csv + b"a" * 3_000_000,
    "another header": lambda csv, row: csv.replace(b"entry_id", b"entry", 1),
    "no header": lambda csv, row: csv.partition(b"\n")[2],
    "a line twice": lambda csv, row: csv.replace(row, row + row),
    "vertical tab": lambda csv, row: csv.replace(row, row[:-1] + b"\x0b\n"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_entries_file_of_another_form_is_named(form: Any) -> None:
    bundle, _, log = development_draw().files
    changed = form(CSV, ROW)
    assert changed != CSV
    assert "entries file" in names(judged_files(bundle, changed, log))


@pytest.mark.parametrize("form", [name for name in FORMS if name != "63 digits"])
def test_a_log_of_another_form_is_named(form: str) -> None:
    bundle, entries, _ = development_draw().files
    changed = FORMS[form](LOG_CSV, LOG_ROW)
    assert changed != LOG_CSV
    report = judged_files(bundle, entries, changed)
    assert names(report) & {"log file", "log root", "log rules"}


@pytest.mark.parametrize("kind", [b"0", b"5", b"01", b"", b"one"])
def test_a_kind_that_there_is_not_is_named(kind: bytes) -> None:
    bundle, entries, log = development_draw().files
    assert "log file" in names(judged_files(bundle, entries, log.replace(b"\n1,", b"\n" + kind + b",", 1)))


@pytest.mark.parametrize("which", [0, 1], ids=["entries", "log"])
@pytest.mark.parametrize("kept", [0, 5, 30, 100, -1, -30])
def test_a_file_cut_within_a_line_is_not_judged(which: int, kept: int) -> None:
    bundle, *tables = development_draw().files
    tables[which] = tables[which][:kept]
    report = judged_files(bundle, *tables)
    assert (report.verdict, report.exit_code) == ("NOT JUDGED", 2)
    assert "cut short" in details(report, verifier.UNUSABLE)


def test_a_table_without_its_last_lines_is_not_what_the_bundle_tells_of() -> None:
    bundle, entries, log = development_draw().files
    short = b"".join(entries.splitlines(keepends=True)[:-1])
    assert "entries.count is 5, but the entries file gives 4" in details(judged_files(bundle, short, log))
    short = b"".join(log.splitlines(keepends=True)[:-1])
    assert "8 lines, fewer than log.size, 9" in details(judged_files(bundle, entries, short))


def test_an_empty_log_or_empty_entries_are_refused() -> None:
    """N is at least 1; the empty log is its header, and its root H("")."""
    log, _ = verifier.read_log(*table(log_csv_of([])), 0, 0)
    assert log.root(0) == sha(b"")
    bundle, entries, _ = development_draw().files
    assert "0 lines, fewer than log.size, 9" in details(judged_files(bundle, entries, log_csv_of([])))
    assert "there are no entries" in details(judged_files(bundle, csv_of([]), LOG_CSV))
    draw = development_draw()
    draw.bundle["log"] = {"size": 0, "root": sha(b"").hex(), "url": "log.csv"}
    report = judged(Draw(draw.bundle, draw.entries, []))
    assert {"entries follow from the log", "commitment"} <= names(report)
    for member, value in (("tickets", 0), ("count", 0)):
        draw = development_draw()
        draw.bundle["entries"][member] = value
        assert f"entries.{member}: expected an integer from 1" in details(judged(draw))


def table(data: bytes) -> tuple[io.BytesIO]:

    return (io.BytesIO(data),)


# Section 4: the commitment

TIMES: dict[str, tuple[dict[str, Any], int, str]] = {
    "before the sale closes": ({}, CLOSES - 1, "before closes_at"),
    "nearly sold out": ({"capacity": 34}, CLOSES - 1, "33 of 34 tickets were given"),
    "sold out before it opened": ({"capacity": 33}, OPENS - 1, "before opens_at"),
    "too late": ({}, CLOSES + 86_401, "expected at most closes_at + commit_within_seconds"),
}


@pytest.mark.parametrize(("changed", "at", "words"), TIMES.values(), ids=TIMES)
def test_a_commitment_at_the_wrong_time_is_named(changed: dict, at: int, words: str) -> None:
    report = judged(development_draw(made={"committed_at": at}, **changed))
    assert "time of the commitment" in names(report)
    assert words in details(report)
    assert names(report) <= {"time of the commitment", "log rules"}


@pytest.mark.parametrize(
    ("changed", "at"), [({}, CLOSES), ({}, CLOSES + 86_400), ({"capacity": 33}, CLOSES - 10**6)], ids=str
)
def test_a_commitment_at_the_edges_of_its_time_holds(changed: dict, at: int) -> None:
    assert judged(development_draw(made={"committed_at": at}, **changed)).verdict == "CONSISTENT"


def test_fewer_tickets_than_promised_are_named() -> None:
    report = judged(development_draw(min_tickets=24))
    assert names(report) == {"number of tickets"}
    assert "N is 23, expected from min_tickets, 24" in details(report)
    assert judged(development_draw(min_tickets=23)).verdict == "CONSISTENT"


def test_the_nonce_opens_the_holder() -> None:
    assert LOG[0].x == sha(nonce_of(LOG[0].entry_id)).hex()
