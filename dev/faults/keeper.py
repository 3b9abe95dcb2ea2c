"""The product's stack with switches, and the process manager that restarts what was killed."""

import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from dev.faults.switches import FOLDER
from dev.stack import Stack, server_command

HOLD_SECONDS = 8
LONG_HOLD_SECONDS = 120
DRAW_DELAY_SECONDS = 2
WORKERS = 2
ENVIRONMENT = {
    "HOLD_SECONDS": str(HOLD_SECONDS),
    "WORKERS": str(WORKERS),
    # Everyone is on this machine; callers report their address, so that the limits apply as in production.
    "TRUSTED_PROXIES": "1",
    "DRAW_DELAY_SECONDS": str(DRAW_DELAY_SECONDS),
}
LOOK_SECONDS = 0.1
PAUSE_SECONDS = 0.3  # before a process is restarted, as with process managers


class KeptStack(Stack):
    """Server and worker with switches in `switches`; each is restarted whenever it ended."""

    def __init__(self, state: Path, switches: Path) -> None:
        super().__init__(state, fresh=True, environment=ENVIRONMENT | {FOLDER: str(switches)})
        #: Variables of each process besides the common ones.
        self._variables: dict[str, dict[str, str]] = {"server": {}, "worker": {}}
        self._away: set[str] = set()
        self._over = threading.Event()
        self._keeping = threading.Thread(target=self._keep, daemon=True)

    def _serve(self) -> None:
        started = time.monotonic()
        for name in self._variables:
            self._start(name)
        self._wait_until_ready()
        self.seconds["server and worker"] = time.monotonic() - started
        self._keeping.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._keeping.is_alive():
            self._keeping.join()
        super().__exit__(kind, error, trace)

    def send_away(self, name: str) -> None:
        """Stop a process until `bring_back`."""
        self._away.add(name)
        self.supervisor.children[name].stop()

    def add_worker(self, name: str) -> None:
        """Start another worker, which is kept like the first one."""
        self._start(name)
        self._variables[name] = {}

    def dismiss(self, name: str) -> None:
        """Stop a worker for good."""
        self.send_away(name)
        del self._variables[name]

    def bring_back(self, name: str, **variables: str) -> None:
        """Have a stopped process started again, with these variables on top of the common ones."""
        self._variables[name] = variables
        self._away.discard(name)

    def _keep(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for name in list(self._variables):
                child = self.supervisor.children[name]
                if child.poll() is not None and name not in self._away:
                    child.release()
                    self._over.wait(PAUSE_SECONDS)
                    self._start(name)

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "dev.faults.worker"]
        if name == "server":
            command = server_command(self.port, 1, [sys.executable, "-m", "dev.faults.server"])
        self.supervisor.spawn(name, command, self._variables.get(name))
