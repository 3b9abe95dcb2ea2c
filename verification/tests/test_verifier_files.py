"""The verifier's front door: whatever the two files are, the command says what is wrong and never shows a traceback."""

import ast
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from verification import verifier
from verification.tests.verifier_draws import ENTRIES, csv_of, development_draw, to_bytes

SCRIPT = Path(verifier.__file__)
BUNDLE, CSV = to_bytes(development_draw()), csv_of(ENTRIES)
MEMORY = 1 << 30


def run(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """The command as anybody runs it, on a bare Python, with at most a GiB of memory."""
    command = [sys.executable, "-I", "-S", SCRIPT, *words]
    bound = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # noqa: E731 (one line, one use)
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, preexec_fn=bound, **options
    )


def sparse(path: Path, size: int = 2 << 30) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def grown(data: bytes) -> Callable[[Path], object]:
    """The honest file, and two GiB of nothing after it."""

    def write(path: Path) -> None:
        path.write_bytes(data)
        os.truncate(path, 2 << 30)

    return write


def holding(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (holding(b""), "FAILED bundle: not valid JSON"),
    "2 GiB of nothing": (sparse, "FAILED bundle: larger than"),
    "2 GiB after it": (grown(BUNDLE), "FAILED bundle: larger than"),
    "a million lists": (holding(b"[" + b"[]," * 1_000_000 + b"1]"), "FAILED bundle: "),
    "a million numbers": (holding(b"[" + b"1," * 1_000_000 + b"1]"), "FAILED bundle: "),
    "deep": (holding(b"[" * 1_000_000), "FAILED bundle: nested too deeply"),
    "deep inside": (holding(BUNDLE.replace(b'"picks": [', b'"picks": [' + b"[" * 100_000, 1)), "FAILED bundle: "),
    "NUL bytes": (holding(b"\0" * 1000), "FAILED bundle: not valid JSON"),
    "a byte order mark": (holding(b"\xef\xbb\xbf" + BUNDLE), "FAILED bundle: "),
    "half": (holding(BUNDLE[: len(BUNDLE) // 2]), "FAILED bundle: not valid JSON"),
    "without its last byte": (holding(BUNDLE[:-1]), "FAILED bundle: not valid JSON"),
    "a huge integer": (holding(BUNDLE.replace(b'"tickets": 23', b'"tickets": ' + b"9" * 1_000_000)), "is too long"),
    "the entries file": (holding(CSV), "FAILED bundle: not valid JSON"),
}
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (holding(b""), "FAILED entries file: line 1"),
    "2 GiB of nothing": (sparse, "FAILED entries file: line 1"),
    "2 GiB after it": (grown(CSV), "FAILED entries file: line 7"),
    "NUL bytes": (holding(CSV.replace(b",1,3", b",1\0,3")), "FAILED entries file: line 2"),
    "a byte order mark": (holding(b"\xef\xbb\xbf" + CSV), "FAILED entries file: line 1"),
    "half": (holding(CSV[: len(CSV) // 2]), "FAILED entries file: line 4"),
    "without its last digit": (holding(CSV[:-2]), "FAILED entries file: line 6"),
    "a huge integer": (holding(CSV.replace(b",1,3", b",1," + b"9" * 1_000_000)), "FAILED entries file: line 2"),
    "the bundle": (holding(BUNDLE), "FAILED entries file: line 1"),
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    bundle, entries = tmp_path / "bundle.json", tmp_path / "entries.csv"
    bundle.write_bytes(BUNDLE)
    entries.write_bytes(CSV)
    return bundle, entries


@pytest.mark.parametrize(("write", "words"), BUNDLES.values(), ids=BUNDLES)
def test_a_bundle_that_is_none_fails_its_check(write: Callable, words: str, files: tuple[Path, Path]) -> None:
    write(files[0])
    done = run(*files)
    assert (done.returncode, done.stderr) == (1, "")
    assert words in done.stdout
    assert done.stdout.splitlines()[-1].startswith("NOT VERIFIED: ")


@pytest.mark.parametrize(("write", "words"), FILES.values(), ids=FILES)
def test_an_entries_file_that_is_none_fails_its_check(write: Callable, words: str, files: tuple[Path, Path]) -> None:
    write(files[1])
    done = run(*files)
    assert (done.returncode, done.stderr) == (1, "")
    assert words in done.stdout
    assert done.stdout.splitlines()[-1].startswith("NOT VERIFIED: ")


@pytest.mark.parametrize("place", [0, 1], ids=["bundle", "entries"])
@pytest.mark.parametrize("what", ["a directory", "nothing", "a loop of links", "a name too long", "no data"])
def test_what_cannot_be_read_is_said_and_exits_with_2(what: str, place: int, files: tuple[Path, Path]) -> None:
    words = list(files)
    match what:
        case "a directory":
            words[place] = files[0].parent
        case "nothing":
            words[place] = files[0].with_name("nothing")
        case "a loop of links":
            words[place] = files[0].with_name("link")
            words[place].symlink_to(words[place])
        case "a name too long":
            words[place] = files[0].with_name("x" * 5000)
        case "no data":
            words[place] = Path("/proc/self/mem")  # opens, and gives an error when read, whoever asks
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cannot read: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_one_may_not_read_is_said_and_exits_with_2(files: tuple[Path, Path]) -> None:
    files[1].chmod(0)
    if os.access(files[1], os.R_OK):
        pytest.skip("root may read every file")
    done = run(*files)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_either_line_end_is_read(line_end: bytes, files: tuple[Path, Path]) -> None:
    files[1].write_bytes(CSV.replace(b"\n", line_end))
    assert run(*files).returncode == 0


@pytest.mark.parametrize("place", range(0, len(BUNDLE), len(BUNDLE) // 12))
def test_a_changed_byte_fails_a_named_check(place: int, files: tuple[Path, Path]) -> None:
    """A sample through the real process of what `test_verifier_bytes` does with every byte."""
    files[0].write_bytes(BUNDLE[:place] + bytes([BUNDLE[place] ^ 0x01]) + BUNDLE[place + 1 :])
    done = run(*files, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["verified"]) == (1, "", False)
    assert any(not check["ok"] and check["name"] and check["detail"] for check in report["checks"])


def test_a_reader_who_goes_away_is_told_nothing(files: tuple[Path, Path]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", SCRIPT, *files], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (2, "")


def test_it_imports_the_standard_library_alone_and_reads_as_python_3_9() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 9))
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not any(node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    assert {str(name).partition(".")[0] for name in named} <= sys.stdlib_module_names
