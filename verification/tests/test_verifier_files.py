"""Whatever the files are, the command says what is wrong, within bounded memory, and never shows a traceback."""

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

from .verifier_draws import development_draw

SCRIPT = Path(verifier.__file__)
DRAW = development_draw()
BUNDLE, CSV, LOG = DRAW.files
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


# What is written in a file's place, the exit code and the words that say what is wrong.
BUNDLES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "empty": (holding(b""), 2, "not valid JSON, or cut short"),
    "2 GiB of nothing": (sparse, 2, "larger than"),
    "2 GiB after it": (grown(BUNDLE), 2, "larger than"),
    "a million lists": (holding(b"[" + b"[]," * 1_000_000 + b"1]"), 1, "expected an object"),
    "a million numbers": (holding(b"[" + b"1," * 1_000_000 + b"1]"), 1, "expected an object"),
    "a million quotes": (holding(b'"' + b'\\"' * 1_000_000), 2, "not valid JSON, or cut short"),
    "deep": (holding(b"[" * 1_000_000), 1, "nested too deeply"),
    "deep inside": (holding(BUNDLE.replace(b'"picks": [', b'"picks": [' + b"[" * 100_000, 1)), 1, "nested too deeply"),
    "NUL bytes": (holding(b"\0" * 1000), 2, "not valid JSON, or cut short"),
    "a byte order mark": (holding(b"\xef\xbb\xbf" + BUNDLE), 2, "not valid JSON, or cut short"),
    "half": (holding(BUNDLE[: len(BUNDLE) // 2]), 2, "not valid JSON, or cut short"),
    "without its last byte": (holding(BUNDLE[:-1]), 2, "not valid JSON, or cut short"),
    "a huge integer": (
        holding(BUNDLE.replace(b'"tickets": 23', b'"tickets": ' + b"9" * 1_000_000)),
        1,
        "is not an int",
    ),
    "the entries file": (holding(CSV), 2, "are two files swapped?"),
}
TABLES: dict[str, tuple[Callable[[Path, bytes], object], int, str]] = {
    "empty": (lambda path, data: path.write_bytes(b""), 2, "cut short"),
    "2 GiB of nothing": (lambda path, data: sparse(path), 1, "line 1 is"),
    "2 GiB after it": (lambda path, data: grown(data)(path), 1, "is not one of these files' lines"),
    "5 GiB of nothing": (lambda path, data: sparse(path, 5 << 30), 2, "larger than"),
    "half": (lambda path, data: path.write_bytes(data[: len(data) // 2 + 1]), 2, "cut short"),
    "without its last byte": (lambda path, data: path.write_bytes(data[:-1]), 2, "cut short"),
    "a million lines more": (
        lambda path, data: path.write_bytes(data + data.splitlines(keepends=True)[-1] * 1_000_000),
        1,
        "it has more lines than the",
    ),
    "the bundle": (lambda path, data: path.write_bytes(BUNDLE), 2, "are two files swapped?"),
}
SMALL: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (holding(b""), "not valid JSON, or cut short"),
    "2 GiB of nothing": (sparse, "larger than"),
    "null": (holding(b"null"), "expected an object"),
    "deep": (holding(b"[" * 60_000), "nested too deeply"),
    "a bundle": (holding(BUNDLE), "are two files swapped?"),
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("bundle.json", "entries.csv", "log.csv")]
    for path, data in zip(paths, DRAW.files, strict=True):
        path.write_bytes(data)
    return paths


def assert_says(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = (done.stdout + done.stderr).splitlines()[-1]
    assert last.startswith({1: "NOT VERIFIED: ", 2: "NOT JUDGED: "}[code])


@pytest.mark.parametrize(("write", "code", "words"), BUNDLES.values(), ids=BUNDLES)
def test_a_bundle_that_is_none_is_said_to_be_none(write: Callable, code: int, words: str, files: list[Path]) -> None:
    write(files[0])
    assert_says(run(*files), code, words)


@pytest.mark.parametrize("place", [1, 2], ids=["entries", "log"])
@pytest.mark.parametrize(("write", "code", "words"), TABLES.values(), ids=TABLES)
def test_a_table_that_is_none_is_said_to_be_none(
    write: Callable, code: int, words: str, place: int, files: list[Path]
) -> None:
    write(files[place], DRAW.files[place])
    assert_says(run(*files), code, words)


@pytest.mark.parametrize("option", ["--receipt", "--head", "--beacon"])
@pytest.mark.parametrize(("write", "words"), SMALL.values(), ids=SMALL)
def test_a_small_file_that_is_none_is_said_to_be_none(
    write: Callable, words: str, option: str, files: list[Path]
) -> None:
    small = files[0].with_name("small.json")
    write(small)
    assert_says(run(*files, option, small), 2, words)


@pytest.mark.parametrize("place", range(6), ids=["bundle", "entries", "log", "receipt", "head", "beacon"])
@pytest.mark.parametrize(
    "what", ["a directory", "nothing", "a pipe", "a device", "a loop of links", "a name too long", "no data"]
)
def test_what_cannot_be_read_is_said_and_exits_with_2(what: str, place: int, files: list[Path]) -> None:
    small = files[0].with_name("small.json")
    small.write_bytes(b"{}")
    words: list[str | Path] = [*files, "--receipt", small, "--head", small, "--beacon", small]
    place = place if place < 3 else 2 * place - 2
    match what:
        case "a directory":
            words[place] = files[0].parent
        case "a pipe":
            words[place] = files[0].with_name("pipe")
            os.mkfifo(words[place])
        case "a device":
            words[place] = "/dev/zero"
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
    assert done.stderr.startswith("NOT JUDGED: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_one_may_not_read_is_said_and_exits_with_2(files: list[Path]) -> None:
    files[1].chmod(0)
    if os.access(files[1], os.R_OK):
        pytest.skip("root may read every file")
    done = run(*files)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Permission denied" in done.stderr


def test_a_small_draw_is_judged_beside_a_gigabyte_of_memory_at_most(files: list[Path]) -> None:
    done = run(*files, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["verdict"]) == (3, "", "CONSISTENT")


@pytest.mark.parametrize("place", range(0, len(BUNDLE), len(BUNDLE) // 12))
def test_a_changed_byte_is_noticed(place: int, files: list[Path]) -> None:
    """A sample through the real process of what `test_verifier_bytes` does with every byte."""
    files[0].write_bytes(BUNDLE[:place] + bytes([BUNDLE[place] ^ 0x01]) + BUNDLE[place + 1 :])
    done = run(*files)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr


def test_a_reader_who_goes_away_is_told_nothing(files: list[Path]) -> None:
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
