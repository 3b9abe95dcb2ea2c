"""Faults room: a file for each step that, while it lies there, has the next process at that step killed by SIGKILL."""

import functools
import inspect
import json
import os
import pkgutil
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Literal

from luxewin.faults.steps import STEPS, Moment, Process

#: Names the folder of the switches to the product's processes.
FOLDER = "LUXEWIN_FAULTS"
TRIPPED = "tripped"

# The process that took the step alone, or with all that belong to the server or the worker, as when a machine dies.
type Scope = Literal["process", "group"]


class Switches:
    """The switches as the one who sets them sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / TRIPPED).mkdir(parents=True, exist_ok=True)

    def arm(self, step: str, scope: Scope, *, passes: int = 0) -> None:
        """The next to take the step is killed; `passes` times a process may take it before."""
        draft = self.folder / f".{step}"
        draft.write_text(json.dumps({"scope": scope, "passes": passes}))
        draft.rename(self.folder / step)

    def disarm(self, step: str) -> None:
        """Nobody is killed there any more."""
        (self.folder / step).unlink(missing_ok=True)

    def tripped(self, step: str) -> list[float]:
        """When processes were killed at the step (Unix times), oldest first."""
        files = (self.folder / TRIPPED).glob(f"{step}@*")
        return sorted(int(file.name.partition("@")[2]) / 1e9 for file in files)


def install(process: Process) -> None:
    """Puts the switches of one kind of process around the product's own functions. Django must be set up."""
    folder = Path(os.environ[FOLDER])
    for step in STEPS:
        if step.process == process:
            hit = functools.partial(_hit, folder, step.name, count(1))
            for target in step.targets:
                _wrap(target, step.moment, hit)


def _wrap(target: str, moment: Moment, hit: Callable[[], None]) -> None:
    path, _, name = target.rpartition(".")
    owner = pkgutil.resolve_name(path)
    bound = isinstance(inspect.getattr_static(owner, name), classmethod)
    function = getattr(owner, name)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            hit()
        result = function(*args, **kwargs)
        if moment == "after":
            hit()
        return result

    setattr(owner, name, staticmethod(call) if bound else call)


def _hit(folder: Path, step: str, takes: Any) -> None:
    switch = folder / step
    try:
        order = json.loads(switch.read_text())
        if next(takes) <= order["passes"]:
            return
        switch.rename(folder / TRIPPED / f"{step}@{time.time_ns()}")
    except FileNotFoundError:
        return  # not armed, or somebody else was faster
    if order["scope"] == "group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
