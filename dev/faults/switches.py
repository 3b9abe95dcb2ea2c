"""Switches: a file for each step which, while it exists, has the next process there killed or stopped."""

import functools
import inspect
import json
import os
import pkgutil
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

from dev.faults import draw_steps
from dev.faults.purchase_steps import STEPS, Process, Step

#: Names the folder of the switches to the product's processes.
FOLDER = "LUXEWIN_FAULTS"
TRIPPED = "tripped"

# SIGKILL of only the process that took the step, or of all of the server or the worker, as when a machine dies; or
# SIGSTOP: the process hangs with all that it holds, until `resume`.
type Scope = Literal["process", "group", "stop"]


class Switches:
    """The switches for the process that sets them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / TRIPPED).mkdir(parents=True, exist_ok=True)

    def arm(self, step: str, scope: Scope, *, passes: int = 0, about: Collection[str] = ()) -> None:
        """Have the next process at the step killed or stopped, after `passes` passes.

        With `about`, only a process that takes it for one of these raffles.
        """
        draft = self.folder / f".{step}"
        draft.write_text(json.dumps({"scope": scope, "passes": passes, "about": list(about)}))
        draft.rename(self.folder / step)

    def disarm(self, step: str) -> None:
        """Let processes pass the step."""
        (self.folder / step).unlink(missing_ok=True)

    def is_armed(self, step: str) -> bool:
        """Whether no process was killed there since it was armed."""
        return (self.folder / step).exists()

    def tripped(self, step: str) -> list[float]:
        """List when processes were killed or stopped at the step (Unix times), oldest first."""
        files = (self.folder / TRIPPED).glob(f"{step}@*")
        return sorted(int(file.name.split("@")[1]) / 1e9 for file in files)

    def resume(self, step: str) -> None:
        """Let processes that hang at the step go on."""
        for file in (self.folder / TRIPPED).glob(f"{step}@*"):
            with suppress(ProcessLookupError):
                os.kill(int(file.name.rpartition("@")[2]), signal.SIGCONT)


# Calls under way in this process, the innermost last: the target of a step's `within`, and the key it was called with.
_doing: list[tuple[str, str]] = []


def install(process: Process) -> None:
    """Wrap the product's functions in the switches of one kind of process. Django must be set up."""
    folder = Path(os.environ[FOLDER])
    steps = [step for step in (*STEPS, *draw_steps.STEPS) if step.process == process]
    for step in steps:
        hit = functools.partial(_hit, folder, step, count(1))
        for target in step.targets:
            _wrap(target, _at(step, hit))
    for target in sorted({step.within for step in steps if step.within}):
        _wrap(target, functools.partial(_noting, target))


def _wrap(target: str, around: Callable[..., Any]) -> None:
    """Replace the target by a call of `around`, which gets the target before the arguments."""
    path, _, name = target.rpartition(".")
    owner = pkgutil.resolve_name(path)
    bound = isinstance(inspect.getattr_static(owner, name), classmethod)
    function = getattr(owner, name)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return around(function, *args, **kwargs)

    setattr(owner, name, staticmethod(call) if bound else call)


def _at(step: Step, hit: Callable[[tuple[Any, ...], Any], None]) -> Callable[..., Any]:
    def around(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if step.moment == "before":
            hit(args, None)
        result = function(*args, **kwargs)
        if step.moment == "after":
            hit(args, result)
        return result

    return around


def _noting(target: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    _doing.append((target, str(getattr(args[0], "pk", args[0]))))
    try:
        return function(*args, **kwargs)
    finally:
        _doing.pop()


def _hit(folder: Path, step: Step, takes: Any, arguments: tuple[Any, ...], result: Any) -> None:
    switch = folder / step.name
    try:
        order = json.loads(switch.read_text())
        if not _is_meant(step, order["about"], arguments, result) or next(takes) <= order["passes"]:
            return
        switch.rename(folder / TRIPPED / f"{step.name}@{time.time_ns()}@{os.getpid()}")
    except FileNotFoundError:
        return  # not armed, or another process was faster
    if order["scope"] == "group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGSTOP if order["scope"] == "stop" else signal.SIGKILL)


def _is_meant(step: Step, about: Collection[str], arguments: tuple[Any, ...], result: Any) -> bool:
    return (not about or any((step.within, key) in _doing for key in about)) and step.when(arguments, result)
