"""`make run` starts server and worker again when they end by themselves, and not in a hurry."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import services
from dev.stack import FIRST_PAUSE, LONG_LIFE, LONGEST_PAUSE, Stack, _Kept
from luxewin.tests.worker_processes import eventually


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack without parts, as it is once it runs."""
    stack = Stack(tmp_path / "state")
    stack.supervisor = services.Supervisor(tmp_path / "state", names=[])
    with stack.supervisor:
        yield stack


def test_what_ended_is_started_again_and_said(stack: Stack):
    kept = _Kept([sys.executable, "-c", "print('up', flush=True); exit(3)"], pause=0.05)
    stack._kept = {"worker": kept}
    log = stack.supervisor.spawn("worker", kept.argv).log
    said: list[str] = []

    def ended_three_times() -> bool:
        said.extend(stack.keep())
        return len(said) == 3

    assert eventually(ended_three_times)
    assert log.read_text().count("up") == 3
    assert all(news.startswith("The worker ended with 3") and str(log) in news for news in said)


def test_the_pause_doubles_after_each_short_life_and_not_after_a_long_one():
    kept = _Kept([])
    pauses = []
    for _ in range(7):
        pauses.append(kept.ended())
        kept.started()
    assert pauses == [FIRST_PAUSE, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    kept.started_at -= LONG_LIFE + 1
    assert kept.ended() == FIRST_PAUSE
