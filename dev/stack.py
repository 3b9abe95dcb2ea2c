"""The whole product on this machine: embedded services, server and worker, for `make run` and `make demo`."""

import os
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from dev import services
from dev.launch import PROJECT
from dev.services.processes import free_port, is_free

STAFF_EMAIL = "admin@luxewin.example"
READY_SECONDS = 180
# Seconds between the end of a process and its next start; after LONG_LIFE, it counts as started without fault.
FIRST_PAUSE, LONGEST_PAUSE, LONG_LIFE = 1.0, 32.0, 60.0
# Longer than the worker ever takes to stop.
GRACE = 35.0


@dataclass
class _Kept:
    """A process that is restarted after a pause, which doubles after each short life."""

    argv: list[str]
    started_at: float = field(default_factory=time.monotonic)
    pause: float = FIRST_PAUSE
    due_at: float | None = None

    def ended(self) -> float:
        """Note the end; return in how many seconds to start it again."""
        if time.monotonic() - self.started_at > LONG_LIFE:
            self.pause = FIRST_PAUSE
        pause, self.pause = self.pause, min(2 * self.pause, LONGEST_PAUSE)
        self.due_at = time.monotonic() + pause
        return pause

    def started(self) -> None:
        """Note that it runs again."""
        self.started_at, self.due_at = time.monotonic(), None


class Stack:
    """The running product: entering starts parts, prepares the database, starts server and worker, waits until ready.

    Anything that ends this process, even SIGKILL, ends everything that it started.
    """

    def __init__(
        self,
        state: Path,
        *,
        port: int = 0,
        reload: bool = False,
        fresh: bool = False,
        web_processes: int = 1,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.reload = reload
        self.fresh = fresh
        self.web_processes = web_processes
        self.extra = environment or {}
        self.supervisor = services.Supervisor(state)
        self.password = ""
        self.seconds: dict[str, float] = {}
        self._kept: dict[str, _Kept] = {}

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the product's processes."""
        return self.supervisor.environment

    def __enter__(self) -> Self:
        if not is_free(self.port):
            raise services.ServiceError(f"port {self.port} is in use; choose another with --port")
        if self.fresh and not services.attached(self.supervisor.state_dir):
            # The database's cluster stays: it holds the ready schema.
            for name in ("stripe", "mail", "chain", "valkey"):
                shutil.rmtree(self.supervisor.state_dir / name, ignore_errors=True)
        started = time.monotonic()
        self.supervisor.__enter__()
        try:
            self.seconds["parts"] = time.monotonic() - started
            self._prepare()
            self._serve()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervisor.__exit__(kind, error, trace)

    def keep(self) -> Iterator[str]:
        """Restart server and worker if they ended by themselves, and yield a line for each. Call it repeatedly."""
        for name, kept in self._kept.items():
            child = self.supervisor.children[name]
            if (code := child.poll()) is None:
                continue
            if kept.due_at is None:
                pause = kept.ended()
                yield f"The {name} ended with {code}; it starts again in {pause:.0f} s. See {child.log}"
            elif time.monotonic() >= kept.due_at:
                child.release()
                kept.started()
                self.supervisor.spawn(name, kept.argv, grace=GRACE)

    def _prepare(self) -> None:
        started = time.monotonic()
        file = self.supervisor.state_dir / "secrets" / "staff-password"
        if self.fresh or not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(12))
        self.password = file.read_text()
        self.environment.update({"PUBLIC_URL": self.url, "LUXEWIN_STAFF_PASSWORD": self.password})
        self.environment.update({"LUXEWIN_STATE": str(self.supervisor.state_dir)} | self.extra)
        # Only our own database is copied or emptied, never one that DATABASE_URL names.
        ours = ["--embedded", *(["--fresh"] if self.fresh else [])] if "postgres" in self.supervisor.names else []
        bootstrap = self.supervisor.spawn("bootstrap", [sys.executable, "manage.py", "bootstrap", *ours])
        if code := bootstrap.wait():
            raise services.ServiceError(
                f"bootstrap ended with {code}; see {bootstrap.log}\n{bootstrap.log.read_text()[-2000:]}"
            )
        self.seconds["bootstrap"] = time.monotonic() - started

    def _serve(self) -> None:
        started = time.monotonic()
        server = server_command(self.port, self.web_processes)
        self._kept = {"server": _Kept(server), "worker": _Kept([sys.executable, "manage.py", "worker"])}
        for name, kept in self._kept.items():
            self.supervisor.spawn(name, kept.argv, grace=GRACE)
        if self.reload:
            threading.Thread(target=self._reload_on_change, daemon=True).start()
        self._wait_until_ready()
        self.seconds["server and worker"] = time.monotonic() - started

    def _reload_on_change(self) -> None:
        """Have the server reload the code (SIGHUP) whenever one of our files changes."""
        import watchfiles

        for _ in watchfiles.watch(*(PROJECT / room for room in APPS)):
            server = self.supervisor.children["server"]
            if server.poll() is None:
                os.kill(server.pid, signal.SIGHUP)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        answer = "no answer"
        # One client for all checks: each new one loads every certificate authority.
        with httpx.Client(timeout=5) as http:
            while time.monotonic() < deadline:
                for child in self.supervisor.children.values():
                    if child.name != "bootstrap" and child.poll() is not None:
                        raise services.ServiceError(
                            f"{child.name} ended; see {child.log}\n{child.log.read_text()[-2000:]}"
                        )
                try:
                    answer = http.get(f"{self.url}/health/ready").text
                    if '"status": "ok"' in answer:
                        return
                except httpx.HTTPError:
                    pass
                time.sleep(0.2)
        raise services.ServiceError(f"not ready after {READY_SECONDS} s: {answer[:500]}")

    def summary(self) -> str:
        """Describe addresses and the staff login, for people."""
        rows = {
            "Start page": self.url,
            "Back office": f"{self.url}/admin/",
            "API documentation": f"{self.url}/api/v1/docs and {self.url}/api/v1/redoc",
            "Health": f"{self.url}/health/ready",
            "Stripe stand-in": self.environment.get("STRIPE_API_BASE", "-"),
            "Caught mail": self.environment.get("MAIL_CATCHER_URL", "-"),
            "Staff login": f"{STAFF_EMAIL}  {self.password}",
            "Logs": str(self.supervisor.state_dir / "logs"),
        }
        return "\n".join(f"  {name:<18} {value}" for name, value in rows.items())


SERVE = (sys.executable, "manage.py", "serve")


def server_command(port: int, processes: int, program: Sequence[str] = SERVE) -> list[str]:
    """Return the command that serves the product on this machine."""
    return [*program, f"--port={port}", f"--workers={processes}"]


APPS = ("luxewin", "accounts", "raffles", "purchases", "verification", "templates")


def wait_for_the_end(stack: Stack, say: Callable[[str], object]) -> None:
    """Wait for Ctrl-C or SIGTERM; until then restart server and worker whenever they end."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(0.5):
        for news in stack.keep():
            say(news)
