"""A worker in a test: on the test's database, perhaps through a wire that can be cut; and which process does what."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
from django.conf import settings

from dev.faults.cluster import processes_of
from luxewin.tests.asking import database_url

# One worker process, so that it is the one that waits for the next task and holds the lock of the queue.
WORKERS = 1
SILENCE_SECONDS, STOP_SECONDS = 15.0, 8.0
# After so many deaths or time-outs a task is stopped.
DEATHS, TIMEOUTS = 2, 2
# As many workers as wanted for one start of Django: each as `manage.py worker`, but less patient.
PROGRAM = f"""
import os, sys
from datetime import timedelta
import django
django.setup()
from django.core.management import call_command
from luxewin.processes import end_with_parent
from luxewin.tasks import cluster, timer
from luxewin.tasks.models import StartedTask
end_with_parent(int(sys.argv[3]))
cluster.SILENCE, cluster.STOP_SECONDS = timedelta(seconds={SILENCE_SECONDS}), {STOP_SECONDS}
timer.BEAT_SECONDS = cluster.BEAT_SECONDS = 1.0
StartedTask.LIMIT, StartedTask.TIMEOUT_LIMIT = {DEATHS}, {TIMEOUTS}
def note(*words):
    with open("events", "a") as events:
        print(*words, file=events)
os.chdir(sys.argv[1])
server = os.getpid()
for number in range(int(sys.argv[2])):
    if not (pid := os.fork()):
        end_with_parent(server)
        os.dup2(os.open(f"log-{{os.getpid()}}", os.O_WRONLY | os.O_CREAT), 2)
        call_command("worker")
        sys.exit()
    note("started", pid)
for _ in range(int(sys.argv[2])):
    pid, status = os.wait()
    note("ended", pid, os.waitstatus_to_exitcode(status))
"""


class RunningWorker:
    """A worker: its main process, and what came of it."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._folder = folder
        self.main = psutil.Process(pid)

    @property
    def heartbeat(self) -> str:
        """The name that it has in the table of heartbeats."""
        return f"{socket.gethostname()[-50:]}:{self.main.pid}"

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self._folder / f"log-{self.main.pid}").read_text()

    def code(self) -> int | None:
        """The exit code, -n after signal n, None while it runs."""
        return next((int(words[2]) for words in events(self._folder, "ended") if int(words[1]) == self.main.pid), None)

    def wait(self) -> int | None:
        """The exit code once it has ended; None if it does not in a minute."""
        eventually(lambda: self.code() is not None, 60)
        return self.code()

    def processes(self) -> dict[str, psutil.Process]:
        """By what they do, once all run."""
        return processes_of(self.main.pid, WORKERS)


def events(folder: Path, kind: str) -> list[list[str]]:
    """What was noted of the workers."""
    file = folder / "events"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [words for words in lines if words[0] == kind]


@contextmanager
def running_workers(count: int, port: int | None = None, **variables: str) -> Iterator[list[RunningWorker]]:
    """Starts some, which reach the database at this port; kills what is left of them."""
    environment = os.environ | {"DATABASE_URL": database_url(port), "WORKERS": str(WORKERS)}
    environment |= {"DJANGO_SETTINGS_MODULE": "luxewin.settings", "PYTHONPATH": str(settings.BASE_DIR)} | variables
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-c", PROGRAM, name, str(count), str(os.getpid())]
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
        try:
            assert eventually(lambda: len(events(folder, "started")) == count)
            workers = [RunningWorker(folder, int(pid)) for _, pid in events(folder, "started")]
            for worker in workers:
                worker.processes()
            yield workers
        finally:
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for each in [*family, process]:
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def running_worker(port: int | None = None, **variables: str) -> Iterator[RunningWorker]:
    """Starts one."""
    with running_workers(1, port, **variables) as (worker,):
        yield worker


def eventually(true: Callable[[], object], seconds: float = 240) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not (answer := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(answer)


class Wire:
    """A forwarder to the test's database that can refuse connections, as a database that is away, or fall silent."""

    def __init__(self) -> None:
        values = settings.DATABASES["default"]
        self._target = (values["HOST"], int(values["PORT"]))
        self._ends: list[socket.socket] = []
        #: How many words were kept back.
        self.held = 0
        self._flows = threading.Event()
        self._flows.set()
        self._listen(0)
        self.port = self._server.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flows.set()
        self.cut()

    def cut(self) -> None:
        """Ends all connections and refuses new ones."""
        # Wakes who waits for a connection or for content; a plain close would not.
        for end in [self._server, *self._ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def mend(self) -> None:
        """Takes connections again, at the same port."""
        self._listen(self.port)

    def hang(self) -> None:
        """Keeps all connections, takes new ones, and passes nothing on."""
        self._flows.clear()

    def _listen(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=[self._server], daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                pair = (client, socket.create_connection(self._target))
                self._ends += pair
                for source, sink in (pair, pair[::-1]):
                    threading.Thread(target=self._pump, args=[source, sink], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                self.held += not self._flows.is_set()
                self._flows.wait()
                sink.sendall(content)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
