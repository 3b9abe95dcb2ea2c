"""The server's processes: one that listens, and keeps as many children as it was told, each of which serves.

* A port that somebody listens on is refused: no two servers ever share one.
* A child that dies, in whatever way, is replaced at once; its siblings go on. The port is held by the parent, so nobody
  but the dead child's own clients notices.
* Children end with their parent, even if it is killed.
* SIGTERM and SIGINT stop: no new connections, what is under way is finished. What has not ended after STOP_SECONDS is
  killed, and the exit code is 1.
* SIGHUP starts new children, which read code, settings and key files anew, and ends the old ones once the new ones
  serve. If the new ones cannot start, the old ones stay.
"""

import argparse
import errno
import logging
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import AppImportError, HaltServer
from uvicorn_worker import UvicornWorker

from luxewin.processes import end_with_parent
from luxewin.server.connection import Connection

PROJECT = Path(__file__).resolve().parent.parent.parent
APPLICATION = "luxewin.asgi:application"
STOP_SECONDS = 30
HUNG_SECONDS = 60  # a child whose event loop stands still for so long is killed and replaced
PAUSE_SECONDS = 1.0
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
KEEP_ALIVE_SECONDS = 15
BACKLOG = 2_048
SEND_BYTES = 262_144
OPEN_FILES = 16_384
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (no file of a guessable name is made there)


class Child(UvicornWorker):  # type: ignore[misc]
    """A process that serves."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "off",
        # luxewin.api.requests knows how many proxies are to be believed.
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    def init_process(self) -> None:
        """Tie it to the parent, then serve."""
        end_with_parent(self.ppid)
        # A line for each malformed request would be written by whoever sends them.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        super().init_process()

    def init_signals(self) -> None:
        """From here on it can be ended."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


class Parent(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter, which a child that cannot start does not bring down while others serve."""

    def __init__(self, app: BaseApplication) -> None:
        super().__init__(app)
        #: The children that are to end once as many new ones serve.
        self.retiring: set[int] = set()
        self.hup_again = False
        self.had_to_kill = False

    def spawn_worker(self) -> Any:
        """Keep signals for the child until it can be ended by them: it is born with this process's handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            return super().spawn_worker()  # of which the child never returns
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def reap_workers(self) -> None:
        """Go on without a child that could not start, unless none has served yet."""
        while True:
            try:
                super().reap_workers()
            except HaltServer as halt:
                if not any(map(self._serves, self.WORKERS)):
                    raise
                self.log.error("a child cannot start: %s", halt.reason)  # noqa: TRY400 no news in the trace
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def handle_hup(self) -> None:
        """Start new children beside the old ones; asked for meanwhile, once more after that."""
        if self.retiring:
            self.hup_again = True
            return
        self.retiring = set(self.WORKERS)
        for _ in range(self.num_workers):
            self.spawn_worker()

    def manage_workers(self) -> None:
        """Replace the dead; after SIGHUP have the old ones end when the new ones serve, or go on with the old ones."""
        if not self.retiring:
            super().manage_workers()
            return
        new = set(self.WORKERS) - self.retiring
        if len(new) < self.num_workers:
            self.log.error("the children are not replaced: a new one died")
            self.retiring = new
        if self.retiring == new or all(map(self._serves, new)):
            for pid in self.retiring:
                self.kill_worker(pid, signal.SIGTERM)
            self.retiring = set()
            if self.hup_again:
                self.hup_again = False
                self.handle_hup()

    def _serves(self, pid: int) -> bool:
        """Whether it has begun to: from then on its file's time is the monotonic clock's, not the calendar's."""
        return bool(self.WORKERS[pid].tmp.last_update() <= time.monotonic())

    def kill_workers(self, sig: int) -> None:
        """Note whether anybody had to be killed."""
        self.had_to_kill = self.had_to_kill or bool(sig == signal.SIGKILL and self.WORKERS)
        super().kill_workers(sig)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> NoReturn:
        """End with 1 if somebody had to be killed."""
        try:
            super().halt(reason, exit_status)
        except SystemExit as end:
            sys.exit(end.code or int(self.had_to_kill))
        raise AssertionError("gunicorn's halt does not return")


class Server(BaseApplication):  # type: ignore[misc]
    """What gunicorn is told, and the application, which only the children load."""

    def __init__(self, application: str, listener: socket.socket, children: int) -> None:
        self.application = application
        self.settings = {
            "bind": f"fd://{listener.detach()}",
            "workers": children,
            "worker_class": Child,
            "keepalive": KEEP_ALIVE_SECONDS,
            "backlog": BACKLOG,
            "timeout": HUNG_SECONDS,
            "graceful_timeout": STOP_SECONDS,
            "control_socket_disable": True,
            "proc_name": "luxewin",
            "chdir": str(PROJECT),
            **({"worker_tmp_dir": str(SHARED_MEMORY)} if SHARED_MEMORY.is_dir() else {}),
        }
        super().__init__()

    def load_config(self) -> None:
        """Called again at each SIGHUP."""
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, in a child. Raises AppImportError where it refuses to start, which ends the server."""
        import importlib

        module, _, name = self.application.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except SystemExit as refusal:
            # gunicorn would take it for an end like any other, and start the child again and again.
            raise AppImportError(refusal.code) from refusal


def main(arguments: list[str], application: str = APPLICATION) -> NoReturn:
    """Serve until a signal ends it. Exits 1 with one line if nobody can listen there."""
    options = options_of(arguments)
    os.environ["WEB_THREADS"] = str(options.threads)
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        why = "something listens there already" if error.errno == errno.EADDRINUSE else error.strerror
        sys.exit(f"cannot listen at {options.host} port {options.port}: {why}")
    _allow_open_files()
    Parent(Server(application, listener, options.workers)).run()
    sys.exit(1)


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Read the command line of `serve`; ends the process, with a message, on a wrong one."""
    parser = argparse.ArgumentParser(prog="manage.py serve", description="serves the product over HTTP")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at (8000)")
    parser.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--threads", type=_positive, default=64, help="requests each works on at once (64)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _listen(host: str, port: int) -> socket.socket:
    """Listen there, and nobody else: without SO_REUSEPORT the system refuses a second one."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Else the system would keep megabytes for each client that does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener


def _allow_open_files() -> None:
    """As many connections as `Connection` allows need as many files, and their bodies as many again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
