"""The command line, `python -m dev.faults [--times N] [--only NAME,…] [--report FILE] [--list]`."""

import argparse
import fnmatch
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

import httpx
import psycopg

from dev import services
from dev.demo.shop import LateError, Refused
from dev.faults.disk import DISK
from dev.faults.draw_scenarios import DRAWS
from dev.faults.draw_stage import DrawTrial
from dev.faults.hangs import HANGS
from dev.faults.keeper import KeptStack
from dev.faults.report import Outcome, complaints, table
from dev.faults.scenario import Scenario
from dev.faults.scenarios import PURCHASES
from dev.faults.stage import Stage, Trial
from dev.faults.switches import Switches
from dev.faults.web_scenarios import WEB
from dev.launch import STATE
from luxewin.progress import progress

SCENARIOS = PURCHASES + HANGS + DISK + WEB + DRAWS
NAMES = [each.name for each in SCENARIOS]
LOST, MISUSED = 1, 2
EMBEDDED = {"postgres", "stripe", "valkey", "mail", "chain", "beacon"}
BEACON_SECONDS = "1"  # how long a round lasts
TROUBLES = (LateError, Refused, httpx.HTTPError, psycopg.Error, services.ServiceError)
ANSWER_SECONDS = 15.0  # after which a buyer's device gives a request up


def main(argv: Sequence[str]) -> int:
    """Return 0 if every fault was injected and nothing was lost, else 1; 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="make faults", description="breaks things under purchases and draws")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="how often each fault is injected (1)")
    parser.add_argument(
        "--only", default="", metavar="NAME,…", help="these faults (draw for all of draws); all without it"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table there")
    parser.add_argument("--list", action="store_true", help="name the faults")
    options = parser.parse_args(argv)
    wanted = options.only.split(",") if options.only else ["*"]
    # "draw" is all of draws, as "draw.*" is.
    wanted = [each if fnmatch.filter(NAMES, each) else f"{each}.*" for each in map(str.strip, wanted)]
    if unknown := [each.removesuffix(".*") for each in wanted if not fnmatch.filter(NAMES, each)]:
        print(f"faults: there is no {', '.join(unknown)}; --list names them all", file=sys.stderr)
        return MISUSED
    if options.list:
        print("\n".join(f"{each.name}: {each.summary}" for each in SCENARIOS))
        return 0
    if real := EMBEDDED - set(services.unset_services()):
        print(f"faults: only embedded services are broken; unset the addresses of {', '.join(real)}", file=sys.stderr)
        return MISUSED
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = [each for each in SCENARIOS if any(fnmatch.fnmatch(each.name, name) for name in wanted)]
    return _run(chosen, options.times, options.report)


def _run(scenarios: Sequence[Scenario], times: int, file: Path | None) -> int:
    """Run the scenarios; show and write the findings even if something ends the run."""
    outcomes: list[Outcome] = []
    failures: list[str] = []
    try:
        with ExitStack() as ends:
            with progress("starting parts, server and worker"):
                stage = _open(ends)
            _try_all(stage, scenarios, times, outcomes)
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
    tried: list[_Tried] = []
    started = time.monotonic()
    for _, wave in groupby(scenarios, key=lambda each: each.wave or each.name):
        now = [_Tried(stage, scenario, times) for scenario in wave]
        outcomes += [each.outcome for each in now]
        stage.forget_at_stripe()
        with progress(", ".join(each.outcome.name for each in now)):
            _each(_Tried.play, now, at_once=now[0].scenario.at_once)
            _each(_Tried.recover, now, at_once=len(now))
        for each in now:
            print(f"{time.monotonic() - started:6.1f} s  {_line(each.outcome)}", flush=True)
        tried += now
    # What was right after one fault must still be right after all later ones.
    for each in tried:
        each.look_again()


def _each(act: Callable[["_Tried"], None], tried: Sequence["_Tried"], *, at_once: int) -> None:
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(act, tried))


class _Tried:
    """A scenario and its outcome. Its failure does not stop the others."""

    def __init__(self, stage: Stage, scenario: Scenario, times: int) -> None:
        self.stage, self.scenario, self.times = stage, scenario, times
        kind = scenario.trial
        self.outcome = Outcome(scenario.name, scenario.summary, counted=kind.counted, columns=kind.columns)
        self.trial: Trial | DrawTrial | None = None

    def play(self) -> None:
        with self._troubles():
            trial = self.scenario.trial(self.stage, self.scenario.name, self.times)
            self.scenario.play(trial)
            self.trial = trial

    def recover(self) -> None:
        if self.trial:
            with self._troubles():
                self.outcome.losses, self.outcome.seconds, self.outcome.count = self.trial.recover()
                self.outcome.injected = self.trial.injected
                if self.trial.note:
                    self.outcome.summary += f" ({self.trial.note})"

    def look_again(self) -> None:
        if self.trial and not self.outcome.trouble:
            self.outcome.losses = self.outcome.losses or self.trial.losses()

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except TROUBLES as error:
            self.outcome.trouble = f"{error}" or type(error).__name__


def _open(ends: ExitStack) -> Stage:
    switches = Switches(Path(ends.enter_context(tempfile.TemporaryDirectory())))
    state = Path(os.environ.get("LUXEWIN_STATE") or STATE / "faults")
    os.environ.setdefault("PARTS_BEACON_PERIOD", BEACON_SECONDS)
    stack = ends.enter_context(KeptStack(state, switches.folder))
    stage = Stage(stack, switches, ends.enter_context(httpx.Client(timeout=ANSWER_SECONDS)))
    ends.callback(stage.close)
    stage.open()
    return stage


def _line(outcome: Outcome) -> str:
    found = complaints([outcome])
    facts = f"injected {outcome.injected}, {outcome.count} {outcome.counted}, {outcome.seconds:.0f} s"
    return f"{outcome.name}: {facts}, {'; '.join(found) if found else 'nothing lost'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
