"""The image has the product alone, and the product needs no more."""

import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.services.processes import PROJECT

# What the image never holds, whatever is copied.
LINES = (PROJECT / "deploy/Containerfile.dockerignore").read_text().splitlines()
LEFT_OUT = [line.removeprefix("**/") for line in LINES if not line.startswith("#")]


def _copy(folder: Path) -> list[str]:
    """Copy what the Containerfile copies, as `Containerfile.dockerignore` has it; return the names."""
    copied = []
    for line in (PROJECT / "deploy/Containerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            name = line.split()[1]
            assert f"!{name}" in LEFT_OUT, f"{name} is copied and ignored"
            if (PROJECT / name).is_dir():
                ignored = shutil.ignore_patterns(*(each for each in LEFT_OUT if each[0] not in "!*"))
                shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
            else:
                shutil.copy(PROJECT / name, folder / name)
            copied.append(name)
    return copied


@pytest.mark.slow
def test_what_the_image_has_is_enough_to_start_every_command(tmp_path):
    copied = _copy(tmp_path)
    assert not {"dev", "clients", "docs"} & set(copied)
    assert not [path for path in tmp_path.rglob("*") if fnmatch.fnmatch(path.name, "test_*.py")]
    lines = (PROJECT / ".ci/production.env").read_text().splitlines()
    production = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for words, variables in ((["collectstatic", "--noinput"], {}), (["check", "--fail-level=ERROR"], production)):
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), words
    assert (tmp_path / "staticfiles").is_dir()
