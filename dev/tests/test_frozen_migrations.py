"""`.ci/frozen`: a migration that was committed stays as it is, and a new one is added to the list."""

import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

import luxewin

FIRST, SECOND = "raffles/migrations/0001_initial.py", "raffles/migrations/0002_more.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one committed migration."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(Path(settings.BASE_DIR, ".ci/frozen"), tmp_path / ".ci/frozen")
    for app in ("accounts", "luxewin", "purchases", "verification", "raffles"):
        (tmp_path / app / "migrations").mkdir(parents=True)
    (tmp_path / FIRST).write_text("one")
    with (tmp_path / ".ci/migrations.sha256").open("w") as listed:
        subprocess.run(["sha256sum", FIRST], cwd=tmp_path, stdout=listed, check=True)
    return tmp_path


def frozen(project: Path, *arguments: str) -> tuple[int, str]:
    ended = subprocess.run([project / ".ci/frozen", *arguments], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_what_is_as_it_was_passes(project):
    assert frozen(project) == (0, "")


@pytest.mark.parametrize("arguments", [[], ["--add"]])
def test_a_changed_or_removed_one_is_named(project, arguments):
    (project / FIRST).write_text("another")
    code, said = frozen(project, *arguments)
    assert code
    assert f"{FIRST}: FAILED" in said
    (project / FIRST).unlink()
    assert frozen(project, *arguments)[0]


def test_a_new_one_has_to_be_added(project):
    (project / SECOND).write_text("two")
    code, said = frozen(project)
    assert code
    assert SECOND in said
    assert frozen(project, "--add") == (0, "")
    assert frozen(project) == (0, "")
    (project / SECOND).write_text("two and a half")
    assert frozen(project)[0]


def test_the_version_is_stated_alike():
    assert f'\nversion = "{luxewin.__version__}"\n' in Path(settings.BASE_DIR, "pyproject.toml").read_text()
