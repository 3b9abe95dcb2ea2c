"""The supervisor starts what is asked for, is found by others, and leaves nothing behind."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from dev import services
from dev.services import processes
from dev.services.processes import PROJECT

PART_VARIABLES = [variable for part in services.SERVICES.values() for variable in part.variables]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    services.erase(folder)


def run_elsewhere(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a program text in another process, in the project's folder."""
    argv = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


HOLD = """
import pathlib, signal, sys, time
from dev import services
# A shell that starts this run in the background has it ignore Ctrl-C, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
with services.Supervisor(pathlib.Path(sys.argv[1]), names=sys.argv[2:]) as supervisor:
    # A process of the product that ignores SIGTERM, with a child of its own that has left its group.
    child = "import os, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " \
        "subprocess.Popen(['sleep', '300'], start_new_session=True); print('ready', flush=True); time.sleep(300)"
    stubborn = supervisor.spawn("stubborn", [sys.executable, "-c", child], grace=0.5)
    while "ready" not in stubborn.log.read_text():
        time.sleep(0.02)
    print("up", flush=True)
    time.sleep(300)
"""


def is_up(process: subprocess.Popen[str]) -> bool:
    assert process.stdout
    return process.stdout.readline() == "up\n"


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_survives_its_supervisor(state: Path, number: signal.Signals) -> None:
    supervisor = run_elsewhere(HOLD, state, "postgres", "valkey", "mail", "beacon")
    assert is_up(supervisor)
    started = descendants(supervisor)
    names = {process.name() for process in started}
    assert {"postgres", "valkey-server", "sleep"} <= names
    supervisor.send_signal(number)
    supervisor.communicate(timeout=300)
    _, alive = psutil.wait_procs(started, timeout=300)
    assert alive == []


def test_a_folder_can_be_used_again_right_after_its_supervisor_was_killed(state: Path) -> None:
    killed = run_elsewhere(HOLD, state, "postgres")
    assert is_up(killed)
    killed.kill()
    killed.communicate()
    with services.running(state, names=["postgres"]) as environment:
        assert environment["DATABASE_URL"].startswith("postgres://")


def test_a_killed_leash_takes_its_process_along(state: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process of its parent's death")
    with services.Supervisor(state, names=[]) as supervisor:
        process = psutil.Process(supervisor.spawn("sleeper", ["sleep", "300"]).pid)
        process.parent().kill()
        assert psutil.wait_procs([process], timeout=300)[1] == []


def test_a_second_supervisor_is_told_who_has_the_folder(state: Path) -> None:
    with (
        services.running(state, names=[]),
        pytest.raises(services.StateInUseError, match=rf"in use by process {os.getpid()}"),
        services.running(state, names=[]),
    ):
        pass


def test_another_process_finds_the_running_environment(state: Path) -> None:
    look = (
        "import json, pathlib, sys; from dev import services; "
        "print(json.dumps(services.attached(pathlib.Path(sys.argv[1]))))"
    )
    with services.running(state, names=["valkey"]) as environment:
        assert json.loads(run_elsewhere(look, state).communicate()[0]) == environment
        assert services.attached(state) == environment
        assert stat.S_IMODE((state / "environment.json").stat().st_mode) == 0o600
    assert json.loads(run_elsewhere(look, state).communicate()[0]) is None


def test_what_a_killed_supervisor_left_is_ignored(state: Path) -> None:
    killed = run_elsewhere(HOLD, state)
    assert is_up(killed)
    assert services.attached(state) is not None
    killed.kill()
    killed.communicate()
    assert (state / "environment.json").exists()
    assert services.attached(state) is None


def test_nothing_is_attached_where_nothing_ever_ran(tmp_path: Path) -> None:
    assert services.attached(tmp_path) is None


def test_a_set_variable_means_that_the_part_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PART_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert services.unset_services() == ["postgres", "valkey", "stripe", "chain", "beacon", "mail"]
    for variable in ("DATABASE_URL", "STRIPE_SECRET_KEY", "BEACON_CHAIN_HASH"):
        monkeypatch.setenv(variable, "set")
    assert services.unset_services() == ["valkey", "chain", "mail"]


def test_only_the_parts_of_unset_variables_are_told_of(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PART_VARIABLES:
        monkeypatch.setenv(variable, "set")
    monkeypatch.delenv("REDIS_URL")
    for variable in ("LUXEWIN_ENV", "SECRET_KEY", "JWT_SIGNING_KEYS", "RECEIPT_KEYS"):
        monkeypatch.delenv(variable, raising=False)
    with services.running(state) as environment:
        assert set(environment) == {"LUXEWIN_ENV", "SECRET_KEY", "JWT_SIGNING_KEYS", "RECEIPT_KEYS", "REDIS_URL"}
        assert environment["LUXEWIN_ENV"] == "development"


def test_secrets_are_kept_until_a_fresh_start(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    seen = []
    for fresh in (False, False, True):
        with services.running(state, names=[], fresh=fresh) as environment:
            seen.append(environment["SECRET_KEY"])
    assert stat.S_IMODE((state / "secrets" / "SECRET_KEY").stat().st_mode) == 0o600
    assert seen[0] == seen[1] != seen[2]
    assert len(seen[0]) >= 50


def test_what_another_version_kept_is_made_anew_and_said(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    letter = state / "mail" / "1.eml"
    with services.running(state, names=["mail"]):
        letter.write_text("Subject: kept\n\nHello")
    with services.running(state, names=["mail"]):
        assert letter.exists()
    assert capsys.readouterr().err == ""
    (state / "format").write_text("1")
    with services.running(state, names=["mail"]):
        assert not letter.exists()
    assert capsys.readouterr().err == f"{state} holds data of another version of LuxeWin: they are made anew.\n"


def test_a_fresh_start_does_not_wipe_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(services.ServiceError, match=r"thesis\.txt"), services.running(tmp_path, names=[], fresh=True):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_part_that_cannot_start_is_told_in_one_line_and_stops_the_others(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = state / "mail"
    data.parent.mkdir()
    data.mkdir()
    (data / "not-a-number.eml").write_text("junk")
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(services.ServiceError) as refusal, services.running(state, names=["mail", "valkey"]):
        pass
    message = str(refusal.value)
    assert "\n" not in message
    assert re.search(r"mail cannot start: it ended with code 1; last words: .*ValueError.*; log: .*mail\.log", message)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_program_that_does_not_exist_is_told_in_its_log(state: Path) -> None:
    with services.Supervisor(state, names=[]) as supervisor:
        child = supervisor.spawn("ghost", ["/no/such/program"])
        assert child.wait(60) == 127
        assert "cannot run /no/such/program" in (state / "logs" / "ghost.log").read_text()


def test_a_spawned_process_gets_the_environment_and_ends_with_its_own_code(state: Path) -> None:
    program = "import os, sys; print(os.environ['SECRET_KEY'], os.environ['EXTRA']); sys.exit(7)"
    with services.Supervisor(state, names=[]) as supervisor:
        child = supervisor.spawn("web", [sys.executable, "-c", program], {"SECRET_KEY": "given", "EXTRA": "x"})
        assert child.wait(60) == 7
    assert (state / "logs" / "web.log").read_text() == "given x\n"


def test_a_process_is_stopped_by_a_signal_to_itself_alone_and_may_finish(state: Path) -> None:
    program = (
        "import signal, subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "def stop(*_):\n"
        "    print('worker is', worker.poll(), flush=True); worker.kill(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready', flush=True)\n"
        "time.sleep(300)\n"
    )
    with services.Supervisor(state, names=[]) as supervisor:
        child = supervisor.spawn("cluster", [sys.executable, "-c", program])
        deadline = time.monotonic() + 60
        while "ready" not in child.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert child.stop() == 0
    assert "worker is None" in child.log.read_text()


@pytest.mark.parametrize("name", ["postgres", "valkey", "stripe", "chain", "beacon", "mail"])
def test_a_part_whose_port_is_taken_by_a_stranger_moves_to_another(
    state: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The race is forced: the first port that is chosen already has a listener, as if it came a moment later."""
    choose = processes.free_port
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        first = iter([taken])
        monkeypatch.setattr(processes, "free_port", lambda: next(first, None) or choose())
        with services.Supervisor(state, names=[name]) as supervisor:
            child = supervisor.part(name)
            assert str(taken) not in " ".join(supervisor.environment.values())
            assert not child.listens_on(taken)
            assert child.poll() is None


def test_a_stranger_that_answers_at_our_port_is_not_taken_for_our_part(tmp_path: Path) -> None:
    with (
        services.running(tmp_path / "theirs", names=["valkey"]) as theirs,
        services.Supervisor(tmp_path / "ours", names=[]) as supervisor,
    ):
        port = urlsplit(theirs["REDIS_URL"]).port
        child = supervisor.spawn("impostor", ["sleep", "300"])
        site = processes.ServiceDir("impostor", tmp_path, tmp_path, -1, lambda: False)
        site._ports[""] = port
        with pytest.raises(services.ServiceError, match="impostor does not answer"):
            site.wait_for(child, lambda: True, seconds=0.5)


def test_an_unknown_part_is_refused(state: Path) -> None:
    with pytest.raises(services.ServiceError, match="no such part: oracle"):
        services.Supervisor(state, names=["oracle"])


def test_a_test_run_gets_its_parts_before_settings_are_read_and_its_workers_start_none(tmp_path: Path) -> None:
    test = tmp_path / "test_environment.py"
    test.write_text(
        "import os, pathlib\n"
        "def test_one():\n"
        "    with open(os.environ['SEEN'], 'a') as seen:\n"
        "        seen.write(os.environ['REDIS_URL'] + ' ' + os.environ['PYTEST_XDIST_WORKER'] + chr(10))\n"
        "test_two = test_one\n"
    )
    others = {variable: "set" for variable in PART_VARIABLES if variable != "REDIS_URL"}
    environment = {**os.environ, **others, "SEEN": str(tmp_path / "seen")}
    environment = {key: value for key, value in environment.items() if key not in {"REDIS_URL", "PYTEST_XDIST_WORKER"}}
    argv = [sys.executable, "-m", "pytest", "-p", "dev.services.pytest_plugin", "-p", "no:django", "-c", "/dev/null"]
    argv += ["-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-n", "2", "-q", str(test)]
    subprocess.run(argv, cwd=PROJECT, env=environment, check=True, capture_output=True, timeout=300)
    seen = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    assert len(seen) == 2
    # One server, and a database of it for each worker, since tests empty theirs.
    assert len({url.rpartition("/")[0] for url, _ in seen}) == 1
    assert len({url for url, _ in seen}) == 2
    assert {worker for _, worker in seen} <= {"gw0", "gw1"}
