"""The verifier's judgement room: honest draws are verified, and every tampering is named by the check that finds it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from verification import verifier
from verification.tests.verifier_draws import (
    DEVELOPMENT_BEACON,
    ENTRIES,
    FACTS,
    QUICKNET,
    csv_of,
    development_draw,
    development_signature,
    hold,
    manifest_of,
    quicknet_draw,
    to_bytes,
)

CSV = csv_of(ENTRIES)
SCRIPT = Path(verifier.__file__)


def judged(bundle: object, csv: bytes = CSV) -> verifier.Report:
    data = bundle if isinstance(bundle, bytes) else to_bytes(bundle)
    return verifier.verify(data, io.BytesIO(csv))


def failed(report: verifier.Report) -> set[str]:
    return {check.name for check in report.checks if not check.ok}


def details(report: verifier.Report) -> str:
    return "\n".join(check.detail for check in report.checks)


# Honest draws


def test_a_draw_by_a_real_quicknet_round_is_verified() -> None:
    report = judged(quicknet_draw())
    assert failed(report) == set()
    assert "this is drand quicknet" in details(report)


def test_a_draw_by_a_development_beacon_is_verified_and_said_to_be_one() -> None:
    report = judged(development_draw())
    assert failed(report) == set()
    assert "NOT a public drand chain" in details(report)
    assert any("NOT drand quicknet" in note for note in report.notes)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 33])
def test_a_draw_over_any_number_of_entries_is_verified(size: int) -> None:
    entries = [(f"00000000-0000-4000-8000-{n:012x}", 1 + 3 * n, 1 + n % 3) for n in range(size)]
    assert failed(judged(development_draw(entries), csv_of(entries))) == set()


@pytest.mark.parametrize("example", FACTS["draws"], ids=lambda example: f"{len(example['entries'])} entries")
def test_the_worked_examples_of_the_protocol_hold(example: dict) -> None:
    entries, _ = verifier.read_entries(io.BytesIO(csv_of(example["entries"])))
    place, steps = example["path_of"]["position"], example["path_of"]["path"]
    entry_id, first_ticket, count = example["entries"][place]
    pick = {"entry_id": entry_id, "first_ticket": first_ticket, "count": count, "path": steps}
    assert entries.root() == example["tickets"].to_bytes(8, "big") + bytes.fromhex(example["root"])
    assert verifier.climb(pick) == (entries.root(), entries.tickets_before[place])
    assert (
        verifier.picked_indices(bytes.fromhex(example["seed"]), entries.tickets, example["wanted"]) == example["picks"]
    )


@pytest.mark.parametrize("name", ["name", "position", "whole prize"])
def test_a_prize_may_be_named_in_any_clear_way(name: str) -> None:
    bundle = development_draw()
    prizes = json.loads(bundle["manifest"])["prizes"]
    for pick, prize in zip(bundle["picks"], prizes, strict=False):
        pick["prize"] = {"name": prize["name"], "position": prize["position"], "whole prize": prize}[name]
    assert failed(judged(bundle)) == set()


@pytest.mark.parametrize(
    "csv", [CSV.replace(b"\n", b"\r\n"), CSV.removesuffix(b"\n"), CSV.replace(b"\n", b"\r\n", 2)], ids=repr
)
def test_line_ends_of_the_entries_file_do_not_matter(csv: bytes) -> None:
    assert failed(judged(development_draw(), csv)) == set()


def test_an_anchored_draw_says_what_to_look_up() -> None:
    bundle = development_draw()
    contract, transaction = "0x" + "aB" * 20, "0x" + "cd" * 32
    bundle["commitment"] |= {"anchored": True, "chain_id": 1, "contract": contract}
    bundle["commitment"] |= {"transaction": transaction, "block": 12}
    bundle["settlement"] = {"transaction": "ef" * 32, "block": 15}
    report = judged(bundle)
    assert failed(report) == set()
    assert all(word in report.notes[0] for word in (contract, transaction, bundle["entries"]["root"]))
    assert "NOT checked here" in report.notes[0]
    assert "ef" * 32 in report.notes[1]


def test_fewer_tickets_than_promised_are_noted() -> None:
    assert any("min_tickets" in note for note in judged(development_draw(min_tickets=24)).notes)


# Tampered bundles: the field, its new value, and the checks that must find it, exactly


def put(place: str, value: object) -> Callable[[dict], None]:
    """A change: the value, or what it makes of the old value, at a dotted place in the bundle."""
    *outer, last = [int(name) if name.isdigit() else name for name in place.split(".")]

    def change(bundle: dict) -> None:
        inside = bundle
        for name in outer:
            inside = inside[name]
        inside[last] = value(inside[last]) if callable(value) else value

    return change


def swap_first_picks(bundle: dict) -> None:
    picks = bundle["picks"]
    picks[0], picks[1] = picks[1], picks[0]
    for name in ("position", "role", "prize"):
        picks[0][name], picks[1][name] = picks[1][name], picks[0][name]


def late_round(bundle: dict) -> None:
    """Redrawn honestly, but from the next round: what an operator with a veto would do."""
    manifest = manifest_of(DEVELOPMENT_BEACON)
    committed_at = bundle["commitment"]["committed_at"]
    bundle |= hold(manifest, DEVELOPMENT_BEACON, 1235, development_signature(1235), ENTRIES)
    bundle["commitment"]["committed_at"] = committed_at


ZEROS = "00" * 32
TAMPERINGS: list[tuple[str, Callable[[dict], object], set[str]]] = [
    ("another protocol", put("protocol", "luxewin/draw/v2"), {"protocol"}),
    ("another raffle", put("raffle", "00000000-0000-4000-8000-000000000000"), {"manifest raffle"}),
    ("a manifest with a space", put("manifest", lambda m: m.replace(":", ": ", 1)), {"manifest canonical"}),
    ("a manifest out of order", put("manifest", lambda m: '{"z":1,' + m[1:]), {"manifest canonical"}),
    ("an escaped slash", put("manifest", lambda m: m.replace("A watch", "A\\/watch")), {"manifest canonical"}),
    ("a fraction", put("manifest", lambda m: m.replace("500", "500.0")), {"manifest JSON"}),
    ("a price of null", put("manifest", lambda m: m.replace("500", "null")), {"manifest canonical"}),
    ("a huge integer", put("manifest", lambda m: m.replace("500", "9007199254740993")), {"manifest canonical"}),
    ("a hugest integer", put("manifest", lambda m: m.replace("500", "9" * 5000)), {"manifest JSON"}),
    ("a name twice", put("manifest", lambda m: '{"alternates":2,' + m[1:]), {"manifest JSON"}),
    ("a lone surrogate", put("manifest", lambda m: m.replace("EUR", "\\ud800")), {"manifest JSON"}),
    ("a manifest nested deeply", put("manifest", "[" * 100_000), {"manifest JSON"}),
    ("no manifest", put("manifest", "7"), {"manifest JSON"}),
    ("an empty currency", put("manifest", lambda m: m.replace('"EUR"', '""')), {"manifest content"}),
    ("a day that never was", put("manifest", lambda m: m.replace("-02-01", "-02-30")), {"manifest content"}),
    ("no prizes", lambda b: b.update(development_draw(prizes=[])), {"manifest content"}),
    (
        "a prize twice",
        lambda b: b.update(development_draw(prizes=[{"position": 2, "name": "x"}])),
        {"manifest content"},
    ),
    ("an unknown promise", lambda b: b.update(development_draw(secret=1)), {"manifest content"}),
    ("true alternates", lambda b: b.update(development_draw(alternates=True)), {"manifest canonical"}),
    ("another manifest hash", put("manifest_hash", ZEROS), {"manifest hash"}),
    ("another promise", put("manifest", lambda m: m.replace("A watch", "A match")), {"manifest hash", "seed"}),
    ("another root", put("entries.root", ZEROS), {"entries root"}),
    ("more tickets", put("entries.tickets", 24), {"entries tickets"}),
    ("fewer entries", put("entries.count", 4), {"entries count"}),
    ("too many tickets", lambda b: b.update(development_draw(capacity=22)), {"entries limits"}),
    ("a person with too many", lambda b: b.update(development_draw(max_per_person=9)), {"entries limits"}),
    ("an earlier commitment", put("commitment.committed_at", lambda at: at - 3), {"beacon round"}),
    ("a commitment a second late", put("commitment.committed_at", lambda at: at + 1), {"beacon round"}),
    ("the next round", late_round, {"beacon round"}),
    ("another round", put("beacon.round", 1233), {"beacon round", "beacon signature", "seed", "picks indices"}),
    ("another key", put("beacon.public_key", QUICKNET["public_key"]), {"manifest beacon", "beacon chain"}),
    ("another chain", put("beacon.chain_hash", QUICKNET["chain_hash"]), {"manifest beacon", "beacon chain", "seed"}),
    ("another scheme", put("beacon.scheme", "pedersen-bls-unchained"), {"manifest beacon", "beacon signature"}),
    ("another period", put("beacon.period", 30), {"manifest beacon", "beacon round"}),
    ("another signature", put("beacon.signature", development_signature(9).hex()), {"beacon signature", "seed"}),
    ("no point", put("beacon.signature", "00" * 48), {"beacon signature", "beacon randomness"}),
    ("another randomness", put("beacon.randomness", ZEROS), {"beacon randomness"}),
    ("another seed", put("seed", ZEROS), {"seed"}),
    ("a pick too few", put("picks", lambda picks: picks[:-1]), {"picks number"}),
    ("a pick too many", put("picks", lambda picks: [*picks, picks[0]]), {"picks number", "picks indices"}),
    ("no picks", put("picks", []), {"picks number"}),
    ("swapped winners", swap_first_picks, {"picks indices"}),
    ("another index", put("picks.0.index", lambda index: (index + 1) % 23), {"picks indices"}),
    ("an index beyond N", put("picks.0.index", 23), {"picks indices", "picks entries", "picks paths"}),
    ("another ticket", put("picks.1.ticket", lambda ticket: ticket + 1), {"picks entries"}),
    (
        "another entry",
        put("picks.1.entry_id", "00000000-0000-4000-8000-000000000000"),
        {"picks entries", "picks paths"},
    ),
    ("another count", put("picks.1.count", 99), {"picks entries", "picks paths"}),
    ("another first ticket", put("picks.1.first_ticket", 99), {"picks entries", "picks paths"}),
    ("another position", put("picks.1.position", 3), {"picks roles"}),
    ("an alternate who wins", put("picks.2.role", "winner"), {"picks roles"}),
    ("a winner set aside", put("picks.0.role", "alternate"), {"picks roles"}),
    ("a lesser prize", put("picks.0.prize", "A smaller watch"), {"picks roles"}),
    ("a prize of true", put("picks.0.prize", True), {"picks roles"}),
    ("a prize for an alternate", put("picks.3.prize", "A watch"), {"picks roles"}),
    ("a shorter path", put("picks.0.path", lambda path: path[1:]), {"picks paths"}),
    ("a sum off by one", put("picks.0.path.0.sum", lambda total: total + 1), {"picks paths"}),
    ("a sum beyond 64 bits", put("picks.0.path.0.sum", 2**64 - 1), {"picks paths"}),
    ("another sibling", put("picks.0.path.0.hash", ZEROS), {"picks paths"}),
    ("a turned path", put("picks.0.path.0.side", lambda s: "left" if s == "right" else "right"), {"picks paths"}),
    ("anchored nowhere", put("commitment.anchored", True), {"commitment"}),
    ("a place without anchor", put("commitment.chain_id", 1), {"commitment"}),
    ("settled without anchor", put("settlement", {"transaction": ZEROS, "block": 1}), {"commitment"}),
]


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in TAMPERINGS], ids=[case[0] for case in TAMPERINGS]
)
def test_a_tampered_bundle_fails_the_check_concerned(change: Callable[[dict], object], expected: set[str]) -> None:
    bundle = development_draw()
    change(bundle)
    assert expected <= failed(judged(bundle))


@pytest.mark.parametrize("name", ["seed", "entries root", "manifest hash", "beacon randomness", "picks roles"])
def test_a_single_false_statement_fails_only_its_own_check(name: str) -> None:
    bundle = development_draw()
    changes = {case[2].copy().pop(): case[1] for case in TAMPERINGS if case[2] == {name}}
    changes[name](bundle)
    assert failed(judged(bundle)) == {name}


SHAPES = [
    ("seed", None), ("seed", 1), ("seed", "00"), ("seed", ZEROS[:-1] + "A"), ("picks", {}), ("picks.0", []),
    ("picks.0.index", True), ("picks.0.index", -1), ("picks.0.index", 2**64), ("picks.0.index", "0"),
    ("picks.0.path.0.side", "up"), ("picks.0.path", None), ("picks.0.role", "host"), ("beacon", None),
    ("beacon.round", 0), ("beacon.period", 0), ("beacon.signature", "00" * 47), ("manifest", {}), ("entries.url", 3),
    ("entries.tickets", 0), ("commitment.anchored", 1), ("commitment.block", "x"), ("commitment.contract", "0x00"),
    ("settlement", {}), ("raffle", "5B1CBD5C-6D0E-4BB5-9F0D-1F6F4A0F7A11"), ("extra", 1), ("picks.0.note", ""),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), SHAPES, ids=[f"{place}={value!r}"[:40] for place, value in SHAPES])
def test_a_bundle_of_another_shape_fails_whole(place: str, value: object) -> None:
    bundle = development_draw()
    put(place, value)(bundle) if place not in {"extra", "picks.0.note"} else add_field(bundle, place, value)
    report = judged(bundle)
    assert "bundle" in failed(report)
    assert place.rpartition(".")[2] in details(report)


def add_field(bundle: dict, place: str, value: object) -> None:
    (bundle["picks"][0] if place.startswith("picks") else bundle)[place.rpartition(".")[2]] = value


NOT_BUNDLES = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "truncated": to_bytes(development_draw())[:-200],
    "twice": to_bytes(development_draw()) * 2,
    "duplicate field": b'{"seed":"00",' + to_bytes(development_draw())[1:],
    "deep": b"[" * 200_000,
    "deep and closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "huge integer": to_bytes(development_draw()).replace(b'"tickets": 23', b'"tickets": ' + b"9" * 10_000),
    "minus zero": to_bytes(development_draw()).replace(b'"tickets": 23', b'"tickets": -0'),
    "exponent": to_bytes(development_draw()).replace(b'"tickets": 23', b'"tickets": 2.3e1'),
    "not a number": to_bytes(development_draw()).replace(b'"tickets": 23', b'"tickets": NaN'),
    "infinity": to_bytes(development_draw()).replace(b'"tickets": 23', b'"tickets": -Infinity'),
    "NUL": to_bytes(development_draw()).replace(b'"tickets"', b'"tick\0ets"'),
    "not UTF-8": to_bytes(development_draw()).replace(b'"tickets"', b'"tick\xffets"'),
    "byte order mark": b"\xef\xbb\xbf" + to_bytes(development_draw()),
    "UTF-16": json.dumps(development_draw()).encode("utf-16"),
    "lone surrogate": to_bytes(development_draw()).replace(b"entries.csv", b"\\udc00"),
}


@pytest.mark.parametrize("data", NOT_BUNDLES.values(), ids=NOT_BUNDLES)
def test_bytes_that_are_no_bundle_fail_every_check_of_it(data: bytes) -> None:
    report = judged(data)
    assert "bundle" in failed(report)
    assert failed(report) >= {"seed", "picks indices", "beacon signature"}


def rows(*lines: str) -> bytes:
    return "".join(line + "\n" for line in ("entry_id,first_ticket,count", *lines)).encode()


ROWS = CSV.decode().splitlines()[1:]
ENTRY_FILES = {
    "empty": (b"", "entries file"),
    "only a header": (rows(), "entries file"),
    "no header": (rows(*ROWS).partition(b"\n")[2], "entries file"),
    "another header": (CSV.replace(b"count", b"number"), "entries file"),
    "byte order mark": (b"\xef\xbb\xbf" + CSV, "entries file"),
    "upper case": (CSV.replace(b"0c5ab6a1", b"0C5AB6A1"), "entries file"),
    "no hyphens": (rows(ROWS[0].replace("-", ""), *ROWS[1:]), "entries file"),
    "quoted": (rows('"' + ROWS[0].replace(",", '",', 1), *ROWS[1:]), "entries file"),
    "bare CR": (CSV.replace(b"\n", b"\r"), "entries file"),
    "empty line": (CSV + b"\n", "entries file"),
    "a space": (CSV.replace(b",4,", b", 4,"), "entries file"),
    "leading zero": (CSV.replace(b",4,", b",04,"), "entries file"),
    "a plus": (CSV.replace(b",4,", b",+4,"), "entries file"),
    "ticket zero": (CSV.replace(b",1,3", b",0,3"), "entries file"),
    "count zero": (CSV.replace(b",1,3", b",1,0"), "entries file"),
    "another column": (CSV.replace(b",1,3", b",1,3,1"), "entries file"),
    "NUL": (CSV.replace(b",1,3", b",1,3\0"), "entries file"),
    "not UTF-8": (CSV.replace(b",1,3", b",1,\xff"), "entries file"),
    "Arabic digits": (CSV.replace(b",1,3", ",1,٣".encode()), "entries file"),
    "beyond 64 bits": (CSV.replace(b",1,3", b",1,18446744073709551615"), "entries file"),
    "huge integer": (CSV.replace(b",1,3", b",1," + b"9" * 10_000), "entries file"),
    "endless line": (CSV + b"a" * 1_000_000, "entries file"),
    "truncated": (CSV[:-5], "entries file"),
    "last row missing": (rows(*ROWS[:-1]), "entries count"),
    "one row more": (rows(*ROWS, "00000000-0000-4000-8000-000000000000,50,1"), "entries count"),
    "overlapping": (CSV.replace(b",4,10", b",3,10"), "entries order"),
    "reordered": (rows(ROWS[1], ROWS[0], *ROWS[2:]), "entries order"),
    "row twice": (rows(ROWS[0], *ROWS), "entries order"),
    "entry twice": (rows(*ROWS, ROWS[0].replace(",1,3", ",90,1")), "entries unique"),
    "another person": (CSV.replace(b"0c5ab6a1", b"0c5ab6a2"), "entries root"),
    "a ticket more": (CSV.replace(b",40,2", b",40,3"), "entries tickets"),
    "moved tickets": (CSV.replace(b",40,2", b",41,2"), "entries root"),
}


@pytest.mark.parametrize(("csv", "name"), ENTRY_FILES.values(), ids=ENTRY_FILES)
def test_a_tampered_entries_file_fails_the_check_concerned(csv: bytes, name: str) -> None:
    report = judged(development_draw(), csv)
    assert name in failed(report)


# The command


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    bundle, entries = tmp_path / "bundle.json", tmp_path / "entries.csv"
    bundle.write_bytes(to_bytes(quicknet_draw()))
    entries.write_bytes(CSV)
    return str(bundle), str(entries)


def test_the_command_runs_alone_in_an_isolated_python(files: tuple[str, str]) -> None:
    run = subprocess.run([sys.executable, "-I", "-S", SCRIPT, *files], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    *lines, last = run.stdout.splitlines()
    assert last == "VERIFIED: all 26 checks hold"
    assert all(line.startswith(("ok     ", "note   ")) for line in lines)
    assert "(in pure Python)" in run.stdout


@pytest.mark.parametrize(("options", "way"), [([], "py_arkworks_bls12381"), (["--pure"], "in pure Python")])
def test_the_command_says_how_the_signature_was_verified(
    options: list[str], way: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert verifier.main([*options, *files]) == 0
    assert way in capsys.readouterr().out


def test_the_command_names_what_failed(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[1]).write_bytes(CSV.replace(b",40,2", b",41,2"))
    assert verifier.main([*files]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAILED entries root: entries.root is ") for line in lines)
    assert lines[-1].startswith("NOT VERIFIED: ")


def test_the_command_speaks_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier.main(["--json", *files]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["verified"] is True
    assert all(set(check) == {"name", "ok", "detail"} and check["ok"] is True for check in result["checks"])


def test_strange_text_is_shown_without_control_characters(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[0]).write_bytes(to_bytes(quicknet_draw() | {"protocol": "\x1b[2J\u202e" + "x" * 10_000}))
    assert verifier.main([*files]) == 1
    output = capsys.readouterr().out
    assert output.isascii()
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 1000


def test_a_file_that_cannot_be_read_exits_with_2(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier.main([files[0], files[1] + ".none"]) == 2
    assert verifier.main([str(Path(files[0]).parent), files[1]]) == 2
    assert capsys.readouterr().err.count("cannot read: ") == 2


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        verifier.main(["only-one"])
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err
