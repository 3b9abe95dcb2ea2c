"""Honest draws hold in the verifier, and every tampering is named by the check that finds it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from verification import verifier

from .verifier_draws import (
    DEVELOPMENT_BEACON,
    DEVELOPMENT_CHAIN,
    FACTS,
    OTHER_KEY,
    QUICKNET,
    Draw,
    Entry,
    Leaf,
    csv_of,
    development_draw,
    development_signature,
    inclusion,
    log_csv_of,
    log_of,
    quicknet_draw,
    round_time,
    sha,
    to_bytes,
    utc,
)

SCRIPT = Path(verifier.__file__)


def judged(draw: Draw, *, log: bool = True, **given: Any) -> verifier.Report:
    """The report on a draw's files, with its log unless told otherwise."""
    bundle, entries, log_file = draw.files
    return judged_files(bundle, entries, log_file if log else None, **given)


def judged_files(bundle: bytes, entries: bytes, log: bytes | None, **given: Any) -> verifier.Report:
    log_file = None if log is None else io.BytesIO(log)
    return verifier.verify(bundle, io.BytesIO(entries), verifier.Given(log=log_file, **given))


def names(report: verifier.Report, state: str = verifier.FAILED) -> set[str]:
    return {line.name for line in report.having(state)}


def details(report: verifier.Report, state: str = verifier.FAILED) -> str:
    return "\n".join(line.detail for line in report.having(state))


# Honest draws


def test_a_real_quicknet_round_without_a_node_is_consistent_and_only_the_place_is_not_checked() -> None:
    report = judged(quicknet_draw(chain_id=1))
    assert (report.verdict, report.exit_code) == ("CONSISTENT", 3)
    assert names(report, verifier.UNCHECKED) == {"place"}
    assert "drand quicknet, all five members" in details(report, verifier.OK)


@pytest.mark.parametrize("real", range(len(FACTS["rounds"])), ids=lambda place: str(FACTS["rounds"][place]["round"]))
def test_every_real_round_holds(real: int) -> None:
    assert judged(quicknet_draw(real)).verdict == "CONSISTENT"


def test_without_the_log_it_says_that_nobody_can_see_who_was_left_out() -> None:
    report = judged(quicknet_draw(chain_id=1), log=False)
    assert report.verdict == "CONSISTENT"
    assert names(report, verifier.UNCHECKED) == {"place", "log"}
    assert "whether anybody was left out" in details(report, verifier.UNCHECKED)


def test_without_an_anchor_the_time_of_the_commitment_is_the_operators_word() -> None:
    report = judged(quicknet_draw())
    assert report.verdict == "CONSISTENT"
    assert "no anchor: when it was committed is the operator's word" in details(report, verifier.UNCHECKED)


def test_a_foreign_beacon_is_not_checked_until_the_user_names_it() -> None:
    draw = development_draw(chain_id=1)
    assert names(judged(draw), verifier.UNCHECKED) == {"beacon", "place"}
    named = judged(draw, beacon=to_bytes(DEVELOPMENT_BEACON))
    assert names(named, verifier.UNCHECKED) == {"place"}
    assert "the beacon that you named" in details(named, verifier.OK)


def test_a_draw_by_another_beacon_than_the_named_one_is_not_verified() -> None:
    for member, value in (("period", 30), ("genesis_time", 1), ("chain_hash", "cd" * 32)):
        report = judged(development_draw(), beacon=to_bytes(DEVELOPMENT_BEACON | {member: value}))
        assert names(report) == {"beacon"}
        assert f"beacon.{member}" in details(report)
    assert names(judged(quicknet_draw(), beacon=to_bytes(DEVELOPMENT_BEACON))) == {"beacon"}


def test_a_beacon_file_that_names_less_than_five_members_is_not_judged() -> None:
    report = judged(development_draw(), beacon=to_bytes({"chain_hash": "ab" * 32}))
    assert (report.verdict, report.exit_code) == ("NOT JUDGED", 2)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 33])
def test_a_draw_over_any_number_of_entries_holds(size: int) -> None:
    log = log_of([(f"00000000-0000-4000-8000-{n:012x}", 5 + n % 3) for n in range(size)], withdrawn=[])
    assert judged(development_draw(log, capacity=1000)).verdict == "CONSISTENT"


@pytest.mark.parametrize("example", FACTS["draws"], ids=lambda example: f"{len(example['entries'])} entries")
def test_the_worked_examples_of_the_protocol_hold(example: dict) -> None:
    lines, size = [Leaf(*leaf) for leaf in example["log"]], example["log_size"]
    entries, _ = verifier.read_entries(io.BytesIO(csv_of([Entry(*entry) for entry in example["entries"]])), 10**6)
    log, _ = verifier.read_log(io.BytesIO(log_csv_of(lines)), size, len(lines) - size)
    assert entries.root == example["tickets"].to_bytes(8, "big") + bytes.fromhex(example["root"])
    assert log.root(size).hex() == example["log_root"]
    verifier.check_entries_follow(log, entries)
    bundle = {"log": {"root": example["log_root"], "size": size}}
    for known in (log, None):
        assert verifier.commitment_of(bundle, entries, known).hex() == example["commitment"]
    seed = sha(
        b"luxewin/draw/v2",
        bytes.fromhex(example["chain_hash"]),
        example["round"].to_bytes(8, "big"),
        *(bytes.fromhex(example[name]) for name in ("randomness", "manifest_hash", "commitment")),
        example["tickets"].to_bytes(8, "big"),
    )
    assert seed.hex() == example["seed"]
    assert verifier.picked_indices(seed, entries.tickets, example["wanted"]) == example["picks"]
    place, steps = example["path_of"]["position"], example["path_of"]["path"]
    entry = Entry(*example["entries"][place])._asdict()
    assert verifier.climb(entry | {"path": steps}) == (entries.root, entries.before[place])


@pytest.mark.parametrize("example", FACTS["draws"], ids=lambda example: f"{example['log_size']} leaves")
def test_an_inclusion_proof_with_a_hash_too_many_or_too_few_is_refused(example: dict) -> None:
    told, size, root = example["inclusion_of"], example["log_size"], bytes.fromhex(example["log_root"])
    leaf, proof = bytes.fromhex(told["leaf"]), [bytes.fromhex(each) for each in told["proof"]]
    assert verifier.included(leaf, told["index"], size, proof) == root
    for extra in (proof[:1], [root], [bytes(32)]):
        with pytest.raises(verifier.Flaw, match="a hash too many"):
            verifier.included(leaf, told["index"], size, [*proof, *(extra or [root])])
    if proof:
        with pytest.raises(verifier.Flaw, match="a hash too few"):
            verifier.included(leaf, told["index"], size, proof[:-1])
    with pytest.raises(verifier.Flaw, match="not below the size"):
        verifier.included(leaf, size, size, proof)


@pytest.mark.parametrize("size", range(1, 20))
def test_every_leaf_of_a_log_of_any_size_is_proved_at_its_place_only(size: int) -> None:
    leaves = log_of([(f"00000000-0000-4000-8000-{n:012x}", 1) for n in range(size)], withdrawn=[])
    root = bytes.fromhex(development_root(leaves))
    for index, leaf in enumerate(leaves):
        told = inclusion(leaves, index)
        proof = [bytes.fromhex(each) for each in told["proof"]]
        assert verifier.included(sha(b"\0", leaf.data), index, size, proof) == root
        for other in set(range(size)) - {index}:
            with suppress(verifier.Flaw):
                assert verifier.included(sha(b"\0", leaf.data), other, size, proof) != root


def development_root(leaves: list[Leaf]) -> str:
    log, _ = verifier.read_log(io.BytesIO(log_csv_of(leaves)), len(leaves), 0)
    return log.root(len(leaves)).hex()


def test_every_verdict_names_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    draw = quicknet_draw(chain_id=5, title="A fine watch")
    for changed in ({}, {"seed": "00" * 32}):
        verifier.print_report(judged(Draw(draw.bundle | changed, draw.entries, draw.log)))
        output = capsys.readouterr().out
        contract = draw.manifest["anchor"]["contract"]
        expected = ["title: 'A fine watch'", f"raffle: {draw.bundle['raffle']}, sequence 7", f"5, contract {contract}"]
        expected += ["delay: 900 s\n", "23 in the draw; 10 tickets of 2 purchases were withdrawn", "'A smaller watch'"]
        expected += [f"ticket {pick['ticket']}: " for pick in draw.bundle["picks"]]
        assert [words for words in expected if words not in output] == []


def test_a_short_delay_is_named_with_what_it_means() -> None:
    facts = dict(judged(development_draw(delay_seconds=899)).facts)
    assert facts["delay"] == "899 s: a reorganisation, or a clock that far behind, could have chosen the round"
    assert dict(judged(development_draw(delay_seconds=900)).facts)["delay"] == "900 s"


def test_on_a_development_chain_the_first_line_says_so_and_consistent_is_the_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw = development_draw(chain_id=DEVELOPMENT_CHAIN, delay_seconds=1, void_after_seconds=1)
    report = judged(draw)
    verifier.print_report(report)
    assert report.verdict == "CONSISTENT"
    assert capsys.readouterr().out.startswith("DEVELOPMENT")
    everything = verifier.Report()
    everything.development = everything.complete = True
    assert everything.verdict == "CONSISTENT"


# Draws that have not been held yet


@pytest.mark.parametrize("chain_id", [None, 1])
def test_a_draw_that_waits_for_its_round_is_consistent_so_far(chain_id: int | None) -> None:
    draw = development_draw(chain_id=chain_id, made={"stage": "committed"})
    report = judged(draw, receipts=[("mine", to_bytes(draw.receipt(0)))])
    assert report.verdict == "CONSISTENT"
    assert "the round is awaited" in details(report, verifier.UNCHECKED)
    assert "in: entry " in details(report, verifier.OK)
    draw.bundle["beacon"]["round"] += 1
    assert names(judged(draw)) == {"round"}
    draw.bundle["beacon"]["round"] = None  # nobody has worked it out yet
    assert judged(draw).verdict == "CONSISTENT"


@pytest.mark.parametrize("chain_id", [None, 1])
def test_files_that_are_public_before_the_commitment_are_consistent_so_far(chain_id: int | None) -> None:
    draw = development_draw(chain_id=chain_id, made={"stage": "published"})
    report = judged(draw, receipts=[("mine", to_bytes(draw.receipt(0))), ("gone", to_bytes(draw.receipt(2)))])
    assert report.verdict == "CONSISTENT"
    assert "not committed yet" in details(report, verifier.UNCHECKED)
    assert "withdrawn: entry " in details(report, verifier.OK)
    draw.bundle["commitment"] = "00" * 32
    assert names(judged(draw)) == {"commitment"}


# Tampered bundles: the member, its new value, and the checks that must find it


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


ZEROS = "00" * 32
PLACE = {"transaction": "0x" + ZEROS, "block": 1}
TAMPERINGS: list[tuple[str, Callable[[dict], object], set[str]]] = [
    ("another protocol", put("protocol", "luxewin/draw/v1"), {"bundle"}),
    ("another raffle", put("raffle", "00000000-0000-4000-8000-000000000000"), {"manifest raffle"}),
    ("a manifest with a space", put("manifest", lambda m: m.replace(":", ": ", 1)), {"manifest canonical"}),
    ("an escaped slash", put("manifest", lambda m: m.replace("A watch", "A\\/watch")), {"manifest canonical"}),
    ("a fraction", put("manifest", lambda m: m.replace("500", "500.0")), {"manifest"}),
    ("an exponent", put("manifest", lambda m: m.replace("500", "5e2")), {"manifest"}),
    ("a price of null", put("manifest", lambda m: m.replace("500", "null")), {"manifest"}),
    ("a huge integer", put("manifest", lambda m: m.replace("500", "9007199254740992")), {"manifest"}),
    ("a hugest integer", put("manifest", lambda m: m.replace("500", "9" * 5000)), {"manifest"}),
    ("a name twice", put("manifest", lambda m: '{"alternates":2,' + m[1:]), {"manifest"}),
    ("a lone surrogate", put("manifest", lambda m: m.replace("LuxeWin", "\\ud800")), {"manifest"}),
    ("a manifest nested deeply", put("manifest", "[" * 100_000), {"manifest"}),
    ("no manifest", put("manifest", "7"), {"manifest"}),
    ("another manifest hash", put("manifest_hash", ZEROS), {"manifest hash"}),
    ("another promise", put("manifest", lambda m: m.replace("A watch", "A match")), {"manifest hash", "seed"}),
    ("another root", put("entries.root", ZEROS), {"entries"}),
    ("more tickets", put("entries.tickets", 24), {"entries"}),
    ("more entries", put("entries.count", 6), {"entries"}),
    ("fewer entries", put("entries.count", 4), {"entries file"}),
    ("another log root", put("log.root", ZEROS), {"log root"}),
    ("a longer log", put("log.size", 10), {"log file"}),
    ("a shorter log", put("log.size", 8), {"log rules", "log root", "commitment", "entries follow from the log"}),
    ("another commitment", put("commitment", ZEROS), {"commitment"}),
    ("a commitment three seconds earlier", put("place.committed_at", lambda at: at - 3), {"round"}),
    ("a commitment three seconds late", put("place.committed_at", lambda at: at + 3), {"round"}),
    ("another round", put("beacon.round", 1233), {"round", "beacon signature", "seed", "picks"}),
    ("another signature", put("beacon.signature", development_signature(9).hex()), {"beacon signature", "seed"}),
    ("no point", put("beacon.signature", "00" * 48), {"beacon signature", "randomness"}),
    ("another randomness", put("beacon.randomness", ZEROS), {"randomness"}),
    ("another seed", put("seed", ZEROS), {"seed"}),
    ("a pick too few", put("picks", lambda picks: picks[:-1]), {"number of picks"}),
    ("a pick too many", put("picks", lambda picks: [*picks, picks[0]]), {"number of picks", "picks"}),
    ("a hundred picks too many", put("picks", lambda picks: picks * 60), {"number of picks", "picks"}),
    ("no picks", put("picks", []), {"number of picks", "bundle stage"}),
    ("swapped winners", swap_first_picks, {"picks"}),
    ("another index", put("picks.0.index", lambda index: (index + 11) % 23), {"picks", "paths"}),
    ("an index beyond N", put("picks.0.index", 23), {"picks", "paths"}),
    ("another ticket", put("picks.1.ticket", lambda ticket: ticket + 1), {"picks"}),
    ("another entry", put("picks.1.entry_id", "00000000-0000-4000-8000-000000000000"), {"picks", "paths"}),
    ("another holder", put("picks.1.holder", ZEROS), {"picks", "paths"}),
    ("another count", put("picks.1.count", 99), {"picks", "paths"}),
    ("another first ticket", put("picks.1.first_ticket", 99), {"picks", "paths"}),
    ("another position", put("picks.1.position", 3), {"picks"}),
    ("an alternate who wins", put("picks.2.role", "winner"), {"picks"}),
    ("a winner set aside", put("picks.0.role", "alternate"), {"picks"}),
    ("a lesser prize", put("picks.0.prize", 2), {"picks"}),
    ("a prize for an alternate", put("picks.3.prize", 1), {"picks"}),
    ("a winner without prize", put("picks.0.prize", None), {"picks"}),
    ("a shorter path", put("picks.0.path", lambda path: path[1:]), {"paths"}),
    ("a longer path", put("picks.0.path", lambda path: [*path, path[0]]), {"paths"}),
    ("a sum off by one", put("picks.0.path.0.sum", lambda total: total + 1), {"paths"}),
    ("a sum beyond 2^53", put("picks.0.path.0.sum", 2**53 - 1), {"paths"}),
    ("another sibling", put("picks.0.path.0.hash", ZEROS), {"paths"}),
    ("a turned path", put("picks.0.path.0.side", lambda s: "left" if s == "right" else "right"), {"paths"}),
    ("announced without anchor", put("place.announce", PLACE), {"bundle stage"}),
    ("committed without anchor", put("place.commit", PLACE), {"bundle stage"}),
    ("settled without anchor", put("settlement", PLACE), {"bundle stage"}),
    ("drawn and not committed", put("place.committed_at", None), {"bundle stage"}),
    ("drawn without signature", put("beacon.signature", None), {"bundle stage"}),
    ("drawn without round", put("beacon.round", None), {"bundle stage"}),
    ("drawn without seed", put("seed", None), {"bundle stage"}),
]


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in TAMPERINGS], ids=[case[0] for case in TAMPERINGS]
)
def test_a_tampered_bundle_fails_the_check_concerned(change: Callable[[dict], object], expected: set[str]) -> None:
    draw = development_draw()
    change(draw.bundle)
    report = judged(draw)
    assert expected <= names(report)
    assert (report.verdict, report.exit_code) == ("NOT VERIFIED", 1)
    assert all(line.detail for line in report.lines)


@pytest.mark.parametrize("name", ["seed", "commitment", "log root", "manifest hash", "randomness"])
def test_a_single_false_statement_fails_only_its_own_check(name: str) -> None:
    draw = development_draw()
    changes = {next(iter(case[2])): case[1] for case in TAMPERINGS if case[2] == {name}}
    changes[name](draw.bundle)
    assert names(judged(draw)) == {name}


def test_several_faults_are_all_named() -> None:
    draw = development_draw(claim_seconds=1, opens_at="2026-03-01T00:00:00Z")
    draw.bundle["seed"], draw.bundle["commitment"] = ZEROS, ZEROS
    report = judged(draw)
    assert names(report) >= {"manifest rules", "seed", "commitment", "log rules"}
    rules = [line.detail for line in report.having(verifier.FAILED) if line.name == "manifest rules"]
    assert [words.split()[0] for words in rules] == ["opens_at", "free_route.until", "claim_seconds"]


SHAPES = [
    ("seed", 1), ("seed", "00"), ("seed", ZEROS[:-1] + "A"), ("picks", {}), ("picks", None), ("picks.0", []),
    ("picks.0.index", True), ("picks.0.index", -1), ("picks.0.index", 2**53), ("picks.0.index", "0"),
    ("picks.0.index", 1.0), ("picks.0.path.0.side", "up"), ("picks.0.path.0.sum", 0), ("picks.0.path", None),
    ("picks.0.role", "host"), ("picks.0.prize", "A watch"), ("picks.0.holder", None), ("beacon", None),
    ("beacon.round", 0), ("beacon.signature", "00" * 47), ("manifest", {}), ("entries.url", 3),
    ("entries.tickets", 0), ("log", None), ("log.size", -1), ("commitment", None), ("place", None),
    ("place.commit", {}), ("place.commit", {"transaction": ZEROS, "block": 1}), ("settlement", {}),
    ("settlement", {"transaction": "0x" + ZEROS, "block": None}), ("raffle", "5B1CBD5C-6D0E-4BB5-9F0D-1F6F4A0F7A11"),
    ("extra", 1), ("picks.0.note", ""), ("place.note", ""), ("beacon.scheme", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), SHAPES, ids=[f"{place}={value!r}"[:40] for place, value in SHAPES])
def test_a_bundle_of_another_shape_fails(place: str, value: object) -> None:
    draw = development_draw()
    put(place, value)(draw.bundle)
    report = judged(draw)
    assert names(report) == {"bundle"}
    assert report.exit_code == 1


@pytest.mark.parametrize("member", ["picks", "log", "place", "settlement", "commitment"])
def test_a_bundle_without_a_member_fails(member: str) -> None:
    draw = development_draw()
    del draw.bundle[member]
    assert f"missing members ['{member}']" in details(judged(draw))


BUNDLE = development_draw().files[0]
UNREADABLE = {
    "empty": b"",
    "truncated": BUNDLE[:-200],
    "twice": BUNDLE * 2,
    "deep and open": b"[" * 90,
    "NUL": BUNDLE.replace(b'"tickets"', b'"tick\0ets"'),
    "not UTF-8": BUNDLE.replace(b'"tickets"', b'"tick\xffets"'),
    "byte order mark": b"\xef\xbb\xbf" + BUNDLE,
    "UTF-16": BUNDLE.decode().encode("utf-16"),
}
TWO_WAYS = {
    "null": b"null",
    "array": b"[]",
    "duplicate member": b'{"seed":"00",' + BUNDLE[1:],
    "deep": b"[" * 200_000,
    "deep and closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "huge integer": BUNDLE.replace(b'"tickets": 23', b'"tickets": ' + b"9" * 10_000),
    "minus zero": BUNDLE.replace(b'"tickets": 23', b'"tickets": -0'),
    "exponent": BUNDLE.replace(b'"tickets": 23', b'"tickets": 2.3e1'),
    "whole exponent": BUNDLE.replace(b'"tickets": 23', b'"tickets": 23e0'),
    "fraction": BUNDLE.replace(b'"tickets": 23', b'"tickets": 23.0'),
    "not a number": BUNDLE.replace(b'"tickets": 23', b'"tickets": NaN'),
    "infinity": BUNDLE.replace(b'"tickets": 23', b'"tickets": -Infinity'),
    "lone surrogate": BUNDLE.replace(b"entries.csv", b"\\udc00"),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_bytes_that_are_no_json_are_not_judged(data: bytes) -> None:
    report = judged_files(data, *development_draw().files[1:])
    assert (report.verdict, report.exit_code) == ("NOT JUDGED", 2)


@pytest.mark.parametrize("data", TWO_WAYS.values(), ids=TWO_WAYS)
def test_json_that_could_be_read_in_two_ways_is_not_verified(data: bytes) -> None:
    report = judged_files(data, *development_draw().files[1:])
    assert names(report) == {"bundle"}
    assert report.exit_code == 1


# The round's edges


@pytest.mark.parametrize("around", [-4, -3, -2, -1, 0, 1, 2, 3])
def test_the_round_is_the_first_at_or_after_commitment_and_delay(around: int) -> None:
    """A commitment exactly the delay before a round takes that round; a second later it takes the next."""
    at = round_time(DEVELOPMENT_BEACON, 23_301_700) - 900
    draw = development_draw(made={"committed_at": at + around})
    assert draw.bundle["beacon"]["round"] == 23_301_700 + -(-around // 3)
    assert judged(draw).verdict == "CONSISTENT"
    for step in (-1, 1):
        wrong = development_draw(
            made={"committed_at": at + around, "round_number": draw.bundle["beacon"]["round"] + step}
        )
        assert names(judged(wrong)) == {"round"}


@pytest.mark.parametrize("member", ["chain_hash", "public_key", "genesis_time", "period"])
def test_a_beacon_that_is_quicknet_but_for_one_member_is_not_verified_even_if_it_is_named(member: str) -> None:
    """A shifted genesis makes a round of the past fit; all that follows is recomputed."""
    other = QUICKNET | {member: DEVELOPMENT_BEACON[member] if member != "period" else 30}
    real = FACTS["rounds"][2]
    committed_at = round_time(other, real["round"]) - 900
    sale = {"opens_at": utc(committed_at - 10**7), "closes_at": utc(committed_at - 100), "free_route": None}
    log = log_of(start=committed_at - 10**6)
    made = {"committed_at": committed_at, "signature": bytes.fromhex(real["signature"]), "round_number": real["round"]}
    draw = development_draw(log, beacon=other, made=made, **sale)
    for given in ({}, {"beacon": to_bytes(other)}):
        report = judged(draw, **given)
        assert names(report) == {"beacon"} | ({"beacon signature"} if member == "public_key" else set())
        assert f"{member} is" in details(report)


# The command


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return written(tmp_path, quicknet_draw(chain_id=1))


def written(folder: Path, draw: Draw) -> list[str]:
    paths = [folder / name for name in ("bundle.json", "entries.csv", "log.csv")]
    for path, data in zip(paths, draw.files, strict=True):
        path.write_bytes(data)
    return [str(path) for path in paths]


def test_the_command_runs_alone_in_an_isolated_python(files: list[str]) -> None:
    run = subprocess.run([sys.executable, "-I", "-S", SCRIPT, *files], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (3, "")
    assert run.stdout.splitlines()[-1] == "CONSISTENT: no check fails; what was not checked is named above"


def test_the_command_names_what_failed(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    entries = Path(files[1])
    entries.write_bytes(entries.read_bytes().replace(b",28,2,", b",29,2,"))
    assert verifier.main(files) == 1
    output = capsys.readouterr().out
    assert "FAILED      entries: entries.root is " in output
    assert output.splitlines()[-1].startswith("NOT VERIFIED: ")


def test_the_command_speaks_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier.main([*files, "--json"]) == 3
    result = json.loads(capsys.readouterr().out)
    assert (result["verdict"], result["exit_code"]) == ("CONSISTENT", 3)
    assert all(set(check) == {"state", "name", "detail"} for check in result["checks"])


def test_strange_text_is_shown_without_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = development_draw(title="\x1b[2J\u202e" + "x" * 10_000, conditions="\x07")
    assert verifier.main(written(tmp_path, draw)) == 3
    output = capsys.readouterr().out
    assert output.isascii()
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 1000


SWAPPED = [(1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0), (0, 0, 2), (0, 1, 1)]


@pytest.mark.parametrize("order", SWAPPED, ids=str)
def test_swapped_files_are_said_to_be_swapped(
    order: tuple[int, ...], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert verifier.main([files[place] for place in order]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "are two files swapped?" in err


def test_a_head_given_as_receipt_is_said_to_be_one(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    draw = quicknet_draw(chain_id=1)
    head, receipt = tmp_path / "head.json", tmp_path / "receipt.json"
    head.write_bytes(to_bytes(draw.head()))
    receipt.write_bytes(to_bytes(draw.receipt()))
    assert verifier.main([*files, "--head", str(receipt)]) == 2
    assert "is a receipt, but a head belongs there" in capsys.readouterr().err
    assert verifier.main([*files, "--receipt", str(head)]) == 2
    assert "is a head, but a receipt belongs there" in capsys.readouterr().err
    assert verifier.main([*files, "--head", str(head), "--receipt", str(receipt), str(receipt)]) == 3
    assert capsys.readouterr().out.count("in: entry ") == 2


def test_a_false_receipt_is_no_verdict_on_the_draw_and_exits_with_2(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(to_bytes(quicknet_draw(chain_id=1).receipt(0, OTHER_KEY)))
    assert verifier.main([*files, "--receipt", str(receipt)]) == 2
    output = capsys.readouterr().out
    assert "not a receipt: its signature is not by the manifest's receipt_key" in output
    assert output.splitlines()[-1].startswith("NOT JUDGED: ")


@pytest.mark.parametrize(
    "words",
    [["only-one"], ["a", "b", "c", "d"], ["a", "b", "--rpc", "file:///etc/passwd"], ["a", "b", "--nonsense"], []],
    ids=str,
)
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        verifier.main(words)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err
