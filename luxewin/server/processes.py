"""The server's processes: a parent that listens, and a configured number of children that serve.

* A port that somebody listens on is refused: two servers never share one.
* A child that dies, in any way, is replaced at once; its siblings go on. The parent holds the port, so only the dead
  child's own clients notice.
* Children end with their parent, even if it is killed.
* SIGTERM and SIGINT stop: no new connections, and requests under way are finished. Processes still running after
  STOP_SECONDS are killed, and the exit code is 1.
* SIGHUP starts new children, which read code, settings and key files anew, and ends the old ones once the new ones
  serve. If the new ones cannot start, the old ones stay.
"""

import argparse
import errno
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
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
HUNG_SECONDS = 60  # a child whose event loop is blocked for so long is killed and replaced
PAUSE_SECONDS = 1.0
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
KEEP_ALIVE_SECONDS = 15
BACKLOG = 2_048
SEND_BYTES = 262_144
OPEN_FILES = 16_384
COUNTS = "PROMETHEUS_MULTIPROC_DIR"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (no file of a guessable name is made there)


class Child(UvicornWorker):  # type: ignore[misc]
    """A process that serves."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "off",
        # luxewin.api.requests decides how many proxies are trusted.
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    def init_process(self) -> None:
        """Tie the child to the parent, then serve."""
        end_with_parent(self.ppid)
        # Malformed requests are not logged: anybody could fill the log with them.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        super().init_process()

    def init_signals(self) -> None:
        """Install the handlers: from here on signals can end the child."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


class Parent(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter, but a child that cannot start does not stop it while others serve."""

    def __init__(self, app: BaseApplication) -> None:
        super().__init__(app)
        #: The children to end once as many new ones serve.
        self.retiring: set[int] = set()
        self.hup_again = False
        self.had_to_kill = False

    def spawn_worker(self) -> Any:
        """Hold back signals until the child can handle them: it starts with this process's handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            return super().spawn_worker()  # which never returns in the child
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
        """Start new children beside the old ones; a signal that arrives meanwhile restarts once more after that."""
        if self.retiring:
            self.hup_again = True
            return
        self.retiring = set(self.WORKERS)
        for _ in range(self.num_workers):
            self.spawn_worker()

    def manage_workers(self) -> None:
        """Replace dead children; after SIGHUP end the old ones once the new ones serve, or keep them if those fail."""
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
        """Whether the child has begun to serve: from then on its file's time is monotonic, not the calendar's."""
        return bool(self.WORKERS[pid].tmp.last_update() <= time.monotonic())

    def kill_workers(self, sig: int) -> None:
        """Record whether a child had to be killed."""
        self.had_to_kill = self.had_to_kill or bool(sig == signal.SIGKILL and self.WORKERS)
        super().kill_workers(sig)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> NoReturn:
        """Exit with 1 if a child had to be killed."""
        shutil.rmtree(os.environ[COUNTS], ignore_errors=True)
        try:
            super().halt(reason, exit_status)
        except SystemExit as end:
            sys.exit(end.code or int(self.had_to_kill))
        raise AssertionError("gunicorn's halt does not return")


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn's configuration, and the application, which only the children load."""

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
            "child_exit": _forget_gauges,
            "chdir": str(PROJECT),
            **({"worker_tmp_dir": str(SHARED_MEMORY)} if SHARED_MEMORY.is_dir() else {}),
        }
        super().__init__()

    def load_config(self) -> None:
        """Set the configuration; called again at each SIGHUP."""
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application, in a child. Raise AppImportError if it refuses to start, which ends the server."""
        import importlib

        module, _, name = self.application.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except SystemExit as refusal:
            # gunicorn would take this for a normal end, and restart the child for ever.
            raise AppImportError(refusal.code) from refusal


def main(arguments: list[str], application: str = APPLICATION) -> NoReturn:
    """Serve until a signal ends it. Exit with 1 and one line if the address cannot be listened on."""
    options = options_of(arguments)
    os.environ |= {"WEB_THREADS": str(options.threads), "WEB_PROCESSES": str(options.workers)}
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        why = "something listens there already" if error.errno == errno.EADDRINUSE else error.strerror
        sys.exit(f"cannot listen at {options.host} port {options.port}: {why}")
    _allow_open_files()
    # The children add up what they count; the first import of prometheus_client looks for this.
    os.environ[COUNTS] = tempfile.mkdtemp(
        prefix="luxewin-counts-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    )
    Parent(Server(application, listener, options.workers)).run()
    sys.exit(1)


def _forget_gauges(parent: Parent, child: Child) -> None:
    """Have the gauges of a child end with it; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(child.pid)


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `serve`; exit with a message if it is wrong."""
    parser = argparse.ArgumentParser(prog="manage.py serve", description="serves the product over HTTP")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at (8000)")
    parser.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--threads", type=_positive, default=96, help="requests each works on at once (96)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _listen(host: str, port: int) -> socket.socket:
    """Listen exclusively: without SO_REUSEPORT the system refuses a second listener."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Otherwise the system would buffer megabytes for each client that does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    listener.bind(address)
    listener.listen(BACKLOG)
    return listener


def _allow_open_files() -> None:
    """Raise the limit on open files: each connection of `Connection` needs one, and its body another."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
