"""From the first registration to the verified draw, over HTTP only, on parts of its own: what `make demo` does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dev import services
from dev.services.processes import PROJECT

# What the test run's own parts have set; the demo starts others.
OTHERS = (
    "BEACON_",
    "CHAIN_",
    "DATABASE_",
    "EMAIL_",
    "JWT_",
    "LUXEWIN_",
    "MAIL_",
    "PARTS_",
    "REDIS_",
    "SECRET_",
    "STRIPE_",
)
FIELDS = {"id", "title", "status", "capacity", "sold", "held", "taken", "picks", "verified"}
SECONDS = 300  # it takes some 30; a busy machine may be slow


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    services.erase(folder)


def processes_of(state: Path) -> set[str]:
    """Names of the processes that were started for this state folder."""
    found = set()
    for process in psutil.process_iter():
        try:
            told = {*process.cmdline(), process.cwd(), process.environ().get("LUXEWIN_STATE", "")}
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(state) in word for word in told):
            found.add(process.name())
    return found


def play(state: Path, report: Path) -> tuple[int, str, set[str]]:
    """Runs the demo; answers its exit code, what it printed, and which processes ran beside it on the way."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    environment["LUXEWIN_STATE"] = str(state)
    argv = [sys.executable, "manage.py", "demo", "--once", "--report", str(report)]
    printed, seen = [], set()
    with subprocess.Popen(
        argv, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout
        for line in demo.stdout:
            printed.append(line)
            if "people registered" in line:
                seen = processes_of(state)
        code = demo.wait(SECONDS)
    return code, "".join(printed), seen


def check_files(report: Path, raffles: list[dict[str, Any]]) -> None:
    """Beside the report lies what proves each draw, and nothing else."""
    drawn = [raffle for raffle in raffles if raffle["status"] == "drawn"]
    expected = {f"{raffle['id']}.{name}" for raffle in drawn for name in ("bundle.json", "entries.csv", "log.csv")}
    assert {file.name for file in report.iterdir()} == {"report.json", "beacon.json", *expected}
    for raffle in drawn:
        bundle = json.loads((report / f"{raffle['id']}.bundle.json").read_bytes())
        assert (bundle["raffle"], bundle["entries"]["tickets"]) == (raffle["id"], raffle["sold"])
        assert [pick["ticket"] for pick in bundle["picks"]] == raffle["picks"]
        header, *entries = (report / f"{raffle['id']}.entries.csv").read_text().splitlines()
        assert header == "entry_id,first_ticket,count,holder"
        assert sum(int(entry.split(",")[2]) for entry in entries) == raffle["sold"]


def test_a_raffle_is_sold_paid_drawn_on_the_chain_and_verified_and_nothing_keeps_running(
    tmp_path: Path, state: Path
) -> None:
    folder = tmp_path / "report"
    code, printed, seen = play(state, folder)
    assert code == 0, printed
    report = json.loads((folder / "report.json").read_text())
    assert set(report) == {"raffles", "invariants", "seconds"}
    assert len(report["invariants"]) >= 10
    assert set(report["invariants"].values()) == {True}
    assert all(set(raffle) == FIELDS for raffle in report["raffles"])
    statuses = [raffle["status"] for raffle in report["raffles"]]
    assert (statuses.count("drawn"), statuses.count("open")) == (2, 13)
    drawn = [raffle for raffle in report["raffles"] if raffle["status"] == "drawn"]
    assert sorted(raffle["sold"] == raffle["capacity"] for raffle in drawn) == [False, True]
    assert all(raffle["verified"] is True and raffle["taken"] > 0 for raffle in drawn)
    assert {raffle["verified"] for raffle in report["raffles"] if raffle["status"] == "open"} == {None}
    assert all(isinstance(seconds, float) for seconds in report["seconds"].values())
    check_files(folder, report["raffles"])
    assert {"anvil", "postgres", "valkey-server"} <= seen
    assert processes_of(state) == set()
