"""Every command that README and docs show is one that there is, with the options that they show."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import get_commands, load_command_class

import dev.bench.__main__
import dev.faults.__main__
from dev.launch import PROJECT

FILES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md")), PROJECT / "CHANGELOG.md"]
SPAN = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(
    r"(?:python3? )?(?P<program>manage\.py|make|python3? -m|\.ci/[a-z_/]+|python3? \S+\.py)(?: |$)(?P<rest>.*)"
)
# What stands for a value.
SAMPLES = {
    "ID": str(UUID(int=7)),
    "HEX": "ab" * 48,
    "NUMBER:DIGEST": "7:" + "ab" * 32,
    "EMAIL": "a@example.com",
    "N": "2",
    "NAME": "settle_events",
    "FILE": "file.csv",
    "SLUG": "a-watch",
    "…": "48h",
}
# Of `make`: who reads ARGS. The rest takes what pytest or uv takes.
MAKE_READS = {"bench": dev.bench.__main__.main, "faults": dev.faults.__main__.main}


def _texts(file: Path) -> list[str]:
    """What the file shows as code: lines of blocks, and spans, which may wrap."""
    text = file.read_text()
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
    return [*lines, *SPAN.findall(FENCE.sub("", text))]


def _commands() -> dict[tuple[str, str], str]:
    """Each program with its words, and a file that shows it."""
    found = {}
    for file in FILES:
        for text in _texts(file):
            plain = " ".join(text.partition("  #")[0].partition(" # ")[0].split())
            if (shown := COMMAND.fullmatch(plain)) and (shown["rest"] or "/" in shown["program"]):
                found[shown["program"], shown["rest"].strip()] = str(file.relative_to(PROJECT))
    return found


COMMANDS = _commands()


def _words(rest: str) -> list[str]:
    """With a sample for each placeholder; what may be left out is given."""
    return [SAMPLES.get(word, word) for word in shlex.split(re.sub(r"[\[\]]", " ", rest))]


def _shown_by(program: str) -> list[str]:
    return sorted(rest for name, rest in COMMANDS if name == program)


def test_there_are_some_of_each_kind():
    assert len(_shown_by("manage.py")) > 20
    assert len(_shown_by("make")) > 8


@pytest.mark.parametrize("rest", _shown_by("manage.py"))
def test_a_command_of_manage_py_takes_what_is_shown(rest):
    name, *words = _words(rest)
    if name == "serve":
        from luxewin.server.processes import options_of

        options_of(words)
        return
    command = load_command_class(get_commands()[name], name)
    command._called_from_command_line = True  # or it raises instead of naming the fault
    parser = command.create_parser("manage.py", name)
    if words:  # else it is only named
        parser.parse_args(words)


@pytest.mark.parametrize("rest", _shown_by("make"))
def test_a_target_of_make_is_there_and_takes_what_is_shown(rest, capsys):
    target, *variables = shlex.split(rest)
    done = subprocess.run(
        ["make", "--dry-run", target, *variables], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    given = next((each.removeprefix("ARGS=") for each in variables if each.startswith("ARGS=")), "")
    words = [SAMPLES.get(word, word) for word in shlex.split(given)]
    if target in MAKE_READS:
        assert MAKE_READS[target]([*words, "--list"]) == 0, capsys.readouterr().err
    elif target in {"run", "demo"}:
        load_command_class("dev", target).create_parser("manage.py", target).parse_args(words)


@pytest.mark.parametrize("program", sorted({name for name, _ in COMMANDS if name.startswith(".ci/")}))
def test_a_script_is_there_and_can_be_started(program):
    assert (PROJECT / program).stat().st_mode & 0o100


@pytest.mark.parametrize(("program", "rest"), sorted(key for key in COMMANDS if key[0].startswith("python")))
def test_a_script_of_python_is_there_and_takes_what_is_shown(program, rest):
    if program.endswith("-m"):
        module = shlex.split(rest)[0]
        assert (PROJECT / Path(*module.split("."))).with_suffix(".py").exists() or module == "dev.bench", module
        return
    # Downloaded from a draw's page, it is started by its own name.
    script = PROJECT / "verification" / Path(program.split()[1]).name
    done = subprocess.run([sys.executable, "-I", script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert {word for word in rest.split() if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", done.stdout))


@pytest.mark.parametrize("name", ["draw", "draw.*", "web", "create.held,draw"])
def test_faults_are_chosen_by_the_first_part_of_their_names_too(name, capsys):
    assert dev.faults.__main__.main(["--only", name, "--list"]) == 0


def test_manage_py_uses_the_environment_that_make_setup_made(tmp_path):
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LUXEWIN_ENV": "development"}
    done = subprocess.run(
        [sys._base_executable, "-I", "manage.py", "--version"],  # a Python without our packages
        cwd=PROJECT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
