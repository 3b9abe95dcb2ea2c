"""A child ends with its parent, in whatever way the parent ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's prctl")
TIED = "import os, time; from luxewin.processes import end_with_parent; end_with_parent({parent}); {then}"
SLEEP = "print(os.getpid(), flush=True); time.sleep(600)"
RUN = f"{TIED!r}.format(parent=os.getpid(), then={SLEEP!r})"
PARENT = f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {RUN}])"


def _is_gone(pid: int) -> bool:
    """Whether it ended, collected or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_child_is_killed_with_a_parent_that_was_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert not _is_gone(child)
            parent.kill()
            deadline = time.monotonic() + 30
            while not _is_gone(child):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            if not _is_gone(child):
                os.kill(child, signal.SIGKILL)


def test_a_child_whose_parent_died_before_it_looked_ends_at_once():
    another = 2**22 + 1  # above Linux's largest process id: never the parent
    child = subprocess.run([sys.executable, "-c", TIED.format(parent=another, then=SLEEP)], check=False, timeout=60)
    assert child.returncode == -signal.SIGKILL
