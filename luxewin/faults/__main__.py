"""Faults room: the command line, `python -m luxewin.faults [--times N] [--only NAME,…] [--report FILE] [--list]`."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg

from luxewin import parts
from luxewin.demo.shop import LateError, Refused
from luxewin.faults.keeper import KeptStack
from luxewin.faults.report import Outcome, complaints, table
from luxewin.faults.scenarios import SCENARIOS, Scenario
from luxewin.faults.stage import Stage, Trial
from luxewin.faults.switches import Switches
from luxewin.launch import STATE

LOST, MISUSED = 1, 2
TROUBLES = (LateError, Refused, httpx.HTTPError, psycopg.Error, parts.PartError)
ANSWER_SECONDS = 15.0  # after which a buyer's device gives a request up


def main(argv: Sequence[str]) -> int:
    """0 if every fault was injected and nothing was lost, else 1; 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="make faults", description="breaks things while people buy")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="how often each fault is injected (1)")
    parser.add_argument("--only", default="", metavar="NAME,…", help="these faults; all without it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--list", action="store_true", help="name the faults")
    options = parser.parse_args(argv)
    names = options.only.split(",") if options.only else [each.name for each in SCENARIOS]
    known = {each.name: each for each in SCENARIOS}
    if unknown := [name for name in names if name not in known]:
        print(f"faults: there is no {', '.join(unknown)}; --list names them all", file=sys.stderr)
        return MISUSED
    if options.list:
        print("\n".join(f"{each.name}: {each.summary}" for each in SCENARIOS))
        return 0
    if real := {"postgres", "stripe", "valkey", "mail"} - set(parts.unset_parts()):
        print(f"faults: only embedded parts are broken; unset the addresses of {', '.join(real)}", file=sys.stderr)
        return MISUSED
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return _run([known[name] for name in names], options.times, options.report)


def _run(scenarios: Sequence[Scenario], times: int, file: Path | None) -> int:
    """What was found before something ends the run is still shown and written."""
    outcomes: list[Outcome] = []
    failures: list[str] = []
    try:
        with ExitStack() as ends:
            _try_all(_open(ends), scenarios, times, outcomes)
    except TROUBLES as error:
        failures.append(f"{error}" or type(error).__name__)
    except KeyboardInterrupt:
        failures.append("interrupted")
    shown = table(outcomes)
    print(f"\n{shown}")
    if file:
        file.write_text(f"{shown}\n")
    found = [*complaints(outcomes), *failures]
    for each in found:
        print(f"faults: {each}", file=sys.stderr)
    return LOST if found else 0


def _try_all(stage: Stage, scenarios: Sequence[Scenario], times: int, outcomes: list[Outcome]) -> None:
    trials: list[tuple[Outcome, Trial]] = []
    started = time.monotonic()
    for scenario in scenarios:
        outcomes.append(Outcome(scenario.name, scenario.summary))
        trials += _try(stage, scenario, times, outcomes[-1])
        print(f"{time.monotonic() - started:6.1f} s  {_line(outcomes[-1])}", flush=True)
    # What was right after one fault has to be right after all that came later.
    for outcome, trial in trials:
        outcome.losses = outcome.losses or trial.losses()


def _open(ends: ExitStack) -> Stage:
    switches = Switches(Path(ends.enter_context(tempfile.TemporaryDirectory())))
    state = Path(os.environ.get("LUXEWIN_STATE") or STATE / "faults")
    stack = ends.enter_context(KeptStack(state, switches.folder))
    stage = Stage(stack, switches, ends.enter_context(httpx.Client(timeout=ANSWER_SECONDS)))
    ends.callback(stage.close)
    stage.open()
    return stage


def _try(stage: Stage, scenario: Scenario, times: int, outcome: Outcome) -> list[tuple[Outcome, Trial]]:
    """One fault, then the books; the trial if it was held to its end. What goes wrong here does not stop the others."""
    try:
        stage.forget_at_stripe()
        trial = Trial(stage, scenario.name, times)
        scenario.play(trial)
        outcome.losses, outcome.seconds, outcome.purchases = trial.recover()
        outcome.injected = trial.injected
    except TROUBLES as error:
        outcome.trouble = f"{error}" or type(error).__name__
        return []
    return [(outcome, trial)]


def _line(outcome: Outcome) -> str:
    found = complaints([outcome])
    facts = f"injected {outcome.injected}, {outcome.purchases} purchases, {outcome.seconds:.0f} s"
    return f"{outcome.name}: {facts}, {'; '.join(found) if found else 'nothing lost'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
