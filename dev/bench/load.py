"""Load over HTTP, made by wrk: the same client, with the same connections, for both sides of a pair."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import uuid4

from dev.bench import tools
from dev.bench.registry import BenchError

CONNECTIONS = 16
TIMEOUT_SECONDS = 10
SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass
class Target:
    """An address on this machine to put under load; `body` is POSTed to it, by each bearer of `tokens` in turn."""

    url: str
    body: str = ""
    tokens: Sequence[str] = ()
    connections: int = CONNECTIONS
    #: Requests answered so far, with a success.
    answered: int = field(default=0, init=False)
    #: Of the last run: the share of refusals.
    refused: float = field(default=0.0, init=False)
    #: The times (ms) within which half and 99 of 100 answers came, of each run.
    _p50: list[float] = field(default_factory=list, init=False)
    _p99: list[float] = field(default_factory=list, init=False)

    @property
    def latency(self) -> str:
        """The medians of p50 and p99 over all runs, for people."""
        return f"p50 {median(self._p50):.1f} ms, p99 {median(self._p99):.1f} ms"

    def rate(self, seconds: float) -> float:
        """Measure answers per second over whole seconds. Raises BenchError if a single one was no success."""
        served = self._measure(seconds)
        if self.refused:
            raise BenchError(f"{self.url}: {self.refused:.0%} refused, so the rate would say nothing")
        return served

    def goodput(self, seconds: float, *, offered: float) -> float:
        """Measure successes per second while so many requests a second are offered, as far as the connections allow."""
        return self._measure(seconds, delay=self.connections / offered)

    def _measure(self, seconds: float, *, delay: float = 0.0) -> float:
        with tempfile.TemporaryDirectory() as folder:
            arguments: list[str] = []
            if self.body:
                Path(folder, "body").write_text(self.body)
                Path(folder, "tokens").write_text("\n".join(self.tokens))
                arguments = ["--", folder, f"bench-{uuid4().hex}-"]
                if delay:
                    arguments.append(str(round(delay * 1_000)))
            report = self._wrk(round(seconds), arguments)
        if faults := {name: report[name] for name in ("broken", "timed_out") if report[name]}:
            raise BenchError(f"{self.url}: {faults} of {report['requests']} requests, so their rate would say nothing")
        served = report["requests"] - report["refused"]
        self.answered += served
        self.refused = report["refused"] / max(report["requests"], 1)
        self._p50.append(report["p50"] / 1_000)
        self._p99.append(report["p99"] / 1_000)
        return served / report["microseconds"] * 1e6

    def _wrk(self, seconds: int, arguments: list[str]) -> dict[str, int]:
        argv = [tools.wrk(), "--threads=1", f"--connections={self.connections}", f"--duration={seconds}s"]
        argv += [f"--timeout={TIMEOUT_SECONDS}s", f"--script={SCRIPT}", self.url, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60, check=False)
        if done.returncode:
            raise BenchError(f"wrk failed on {self.url}: {done.stderr.strip()[-1000:]}")
        return json.loads(done.stdout.splitlines()[-1])
