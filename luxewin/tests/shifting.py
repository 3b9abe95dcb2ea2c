"""Processes whose wall clock is another: `.ci/clock/shift.c` before libc, built by this machine's C compiler."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import psutil
import pytest
from django.conf import settings

from luxewin.tests.asking import database_url

SOURCE = Path(__file__).resolve().parents[2] / ".ci/clock/shift.c"


@cache
def library() -> Path:
    """Build it once; without a compiler skip the test, or fail where LUXEWIN_CLOCK is `required`."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        (pytest.fail if os.environ.get("LUXEWIN_CLOCK") == "required" else pytest.skip)(
            "clocks of processes can be shifted on Linux with a C compiler (`apt-get install gcc libc6-dev`)"
        )
    built = Path(mkdtemp()) / "shift.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", built, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return built


def environment(seconds: float) -> dict[str, str]:
    """For a process on this test's database whose clock is so far ahead."""
    shifted = {"LD_PRELOAD": str(library()), "SHIFT_SECONDS": f"{seconds:.0f}"}
    return os.environ | {"DATABASE_URL": database_url()} | shifted


@contextmanager
def running(command: list[str], *, ahead: float) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program of the project with a shifted clock; it is killed in the end, with all that it started."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=environment(ahead),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        for each in family:
            each.kill()
        process.communicate()
