"""Processes on a guard, and the wait until they answer."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dev.services.errors import ServiceError, last_words

GUARD = Path(__file__).with_name("process_guard.py")
PROJECT = Path(__file__).resolve().parents[2]
# Below the range of ports for outgoing connections, so that none of those is in the way.
PORTS = range(20_000, 32_000)
START_SECONDS = 30.0

_given: set[int] = set()  # ports that this process has given out: two parts that start together never share one
_giving = threading.Lock()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now and that this process has never given out."""
    for _ in range(1000):
        port = random.choice(PORTS)  # noqa: S311 (no secret)
        with _giving:
            if port not in _given and is_free(port):
                _given.add(port)
                return port
    raise ServiceError(f"no free port between {PORTS.start} and {PORTS.stop} on 127.0.0.1")


def is_free(port: int) -> bool:
    """Whether a server could listen there now. Closing connections do not count, as for the servers."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Account:
    """The system account that a process drops to."""

    uid: int
    gid: int


class ManagedProcess:
    """A running process on a guard. It ends when `stop` is called or when this process ends for any reason."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        lock: int,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 10.0,
        account: Account | None = None,
    ) -> None:
        """Start it. `env` is its whole environment, `lock` a descriptor that the guard holds open while it lives."""
        self.name, self.log, self.grace = name, log, grace
        self._control, theirs = socket.socketpair()
        guard: list[str] = [sys.executable, "-I", "-S", str(GUARD), f"--supervisor={os.getpid()}"]
        guard += [f"--control={theirs.fileno()}", f"--lock={lock}", f"--stop-signal={int(stop_signal)}"]
        guard += [f"--grace={grace}"]
        if account:
            guard += [f"--user={account.uid}", f"--group={account.gid}"]
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603 (our own command lines)
                [*guard, "--", *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=PROJECT,
                pass_fds=(theirs.fileno(), lock),
                start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops everything in order
            )
        answer = self._control.recv(32)
        if not answer:
            raise ServiceError(
                f"{name} cannot start: its guard ended with code {self._guard.wait()}; {last_words(log)}"
            )
        #: The process itself, not its guard.
        self.pid = int(answer)

    def poll(self) -> int | None:
        """Return the exit code (128 + n after signal n), or None while it runs."""
        return self._guard.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends by itself. Raises subprocess.TimeoutExpired."""
        return self._guard.wait(timeout)

    def listens_on(self, port: int) -> bool:
        """Whether this process, and not another, is the server at that port."""
        import psutil

        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)

    def release(self) -> None:
        """Have the guard stop it, without waiting."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()

    def stop(self) -> int:
        """Stop it and wait: the stop signal, the grace period, then SIGKILL. Return the exit code."""
        self.release()
        try:
            return self._guard.wait(self.grace + 10)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # the child dies with it if the system supports that
            return self._guard.wait()


@dataclass
class ServiceDir:
    """The place of one part: its folder, its ports (the same again after a restart) and its processes.

    Unless `is_durable`, data may be lost when the machine goes down, though not when a process does.
    """

    name: str
    folder: Path
    logs: Path
    lock: int
    given_up: Callable[[], bool]
    is_durable: bool = True
    children: list[ManagedProcess] = field(default_factory=list)
    _ports: dict[str, int] = field(default_factory=dict)

    def port(self, label: str = "") -> int:
        return self._ports.setdefault(label, free_port())

    def lost_a_port(self) -> bool:
        """Whether another process took one of our ports after we chose it and before we listened there."""
        return not all(map(is_free, self._ports.values()))

    def clear(self) -> None:
        """Stop the processes here and choose other ports next time."""
        for child in self.children:
            child.stop()
        self.children.clear()
        self._ports.clear()

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        account: Account | None = None,
    ) -> ManagedProcess:
        """Start a process of this part, with `env` on top of this process's environment."""
        child = ManagedProcess(
            self.name,
            argv,
            env={**os.environ, **(env or {})},
            log=self.logs / f"{self.name}.log",
            lock=self.lock,
            stop_signal=stop_signal,
            account=account,
        )
        self.children.append(child)
        return child

    def spawn_module(self, module: str, *options: str) -> ManagedProcess:
        """Start `python -m module` with this part's folder as its state."""
        return self.spawn([sys.executable, "-m", module, *options, "--state", self.folder])

    def run(self, argv: Sequence[str | Path], *, env: Mapping[str, str], account: Account | None) -> None:
        """Run a command to its end. Raises ServiceError unless it succeeds."""
        child = self.spawn(argv, env=env, account=account)
        code = child.wait()
        child.release()
        self.children.remove(child)
        if code:
            raise ServiceError(f"{self.name}: {Path(argv[0]).name} failed with code {code}; {last_words(child.log)}")

    def wait_for(self, child: ManagedProcess, answers: Callable[[], object], seconds: float = START_SECONDS) -> None:
        """Wait until `answers` is true; its OSError means not yet. Raises ServiceError if the part ended."""
        deadline = time.monotonic() + seconds
        why: object = "no answer"
        while True:
            if (code := child.poll()) is not None:
                raise ServiceError(f"{self.name} cannot start: it ended with code {code}; {last_words(child.log)}")
            try:
                if answers() and all(map(child.listens_on, self._ports.values())):
                    return
            except OSError as error:
                why = error
            if self.given_up():
                raise ServiceError(f"{self.name} was not started: the start was given up")
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{self.name} does not answer after {seconds:.0f} s ({why}); {last_words(child.log)}"
                )
            time.sleep(0.02)
