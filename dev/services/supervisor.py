"""The supervisor, which starts the wanted parts, reports their addresses and stops them."""

import contextlib
import errno
import fcntl
import importlib
import json
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from dev.services.errors import ServiceError, StateInUseError
from dev.services.processes import ManagedProcess, ServiceDir
from dev.services.state import PRIVATE_FILE, kept, private_folder, write_private


@dataclass(frozen=True)
class Part:
    """A part's module and its variables: if one of them is set, the outside party itself is used."""

    module: str
    variables: tuple[str, ...]

    def start(self, site: ServiceDir) -> dict[str, str]:
        """Start it, wait until it answers, and return what to set. Imported only now, because servers run as main."""
        return importlib.import_module(f"dev.services.{self.module}").start(site)


SERVICES = {
    "postgres": Part("postgres", ("DATABASE_URL",)),
    "valkey": Part("valkey", ("REDIS_URL",)),
    "stripe": Part("stripe", ("STRIPE_SECRET_KEY",)),
    "chain": Part("anvil", ("CHAIN_RPC_URL",)),
    "beacon": Part("beacon", ("BEACON_URLS", "BEACON_CHAIN_HASH")),
    "mail": Part("mail", ("EMAIL_URL",)),
}
KEPT_SECRETS = {"SECRET_KEY": 48, "JWT_SIGNING_KEYS": 32, "RECEIPT_KEYS": 32}  # number of random bytes
LOCK, ENVIRONMENT, FORMAT_FILE = "supervisor.lock", "environment.json", "format"
# Raise it with every change that makes earlier data unreadable.
FORMAT = "4"
PORT_CHOICES = 3
LET_GO_SECONDS = 30.0  # how long the parts of a killed supervisor may take to end


def unset_services() -> list[str]:
    """List the parts that this process's environment needs: those with no variable set."""
    return [name for name, part in SERVICES.items() if not any(_is_set(each) for each in part.variables)]


def _is_set(variable: str) -> bool:
    """Whether the variable is set, directly or by a file that holds it."""
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def attached(state_dir: Path) -> dict[str, str] | None:
    """Return the environment of the supervisor that runs in this state folder; None if none does (yet)."""
    try:
        with (state_dir / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                facts = json.loads((state_dir / ENVIRONMENT).read_text())
                return facts["environment"] if _alive(facts["pid"]) else None
    except (FileNotFoundError, json.JSONDecodeError):
        pass
    return None


def erase(state_dir: Path) -> None:
    """Remove a state folder and what its parts keep elsewhere. Raises StateInUseError while a supervisor runs there."""
    if not state_dir.exists():
        return
    with _Lock(state_dir):
        _wipe(state_dir)
    shutil.rmtree(state_dir)


@contextlib.contextmanager
def running(state_dir: Path, names: Iterable[str] | None = None, fresh: bool = False) -> Iterator[dict[str, str]]:
    """Run parts as `Supervisor` does, and yield the environment variables to set."""
    with Supervisor(state_dir, names, fresh=fresh) as supervisor:
        yield supervisor.environment


class Supervisor:
    """Run parts while entered: `names`, or else every part with no variable set.

    Entering takes the state folder's lock (StateInUseError names its holder), starts the parts in parallel and waits
    until all answer, about 2 s, or 4 s with a new database; ServiceError says in one line what is wrong. `fresh` first
    wipes the folder's state, as is always done with another version's; without `durable` it is faster, but data are
    lost if the machine goes down. Leaving stops what `spawn` started, then the parts; if this process is killed
    instead, their guards do the same.
    """

    def __init__(
        self, state_dir: Path, names: Iterable[str] | None = None, *, fresh: bool = False, durable: bool = True
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.names = unset_services() if names is None else list(names)
        if unknown := set(self.names) - set(SERVICES):
            raise ServiceError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
        self.fresh, self.durable = fresh, durable
        #: What to set for the product's processes; complete once entered.
        self.environment: dict[str, str] = {}
        #: What `spawn` started, by name.
        self.children: dict[str, ManagedProcess] = {}
        self.sites: dict[str, ServiceDir] = {}
        self._given_up = threading.Event()
        self._lock = _Lock(self.state_dir)

    def __enter__(self) -> Self:
        private_folder(self.state_dir)
        self._lock.__enter__()
        try:
            if self.fresh or not self._is_readable():
                _wipe(self.state_dir)
            write_private(self.state_dir / FORMAT_FILE, FORMAT)
            shutil.rmtree(self.state_dir / "logs", ignore_errors=True)
            self._start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up.set()
        (self.state_dir / ENVIRONMENT).unlink(missing_ok=True)
        _stop(self.children.values())
        _stop([child for site in self.sites.values() for child in site.children])
        self._lock.__exit__(kind, error, trace)

    def spawn(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        log_file: Path | None = None,
        *,
        grace: float = 10.0,
    ) -> ManagedProcess:
        """Start a process of the product on a guard, with `env` on top of this process's environment and the parts'.

        It runs in the project's folder and writes to `log_file`, by default `logs/NAME.log` in the state folder.
        """
        log = log_file or self.state_dir / "logs" / f"{name}.log"
        whole = {**os.environ, **self.environment, **(env or {})}
        child = ManagedProcess(name, argv, env=whole, log=log, lock=self._lock.descriptor, grace=grace)
        self.children[name] = child
        return child

    def part(self, name: str) -> ManagedProcess:
        """Return the process of a started part, to read its pid or to kill it in a test."""
        return self.sites[name].children[-1]

    def restart(self, name: str) -> None:
        """Stop a part if it still runs, and start it again at the same address. Raises ServiceError."""
        site = self.sites[name]
        _stop(site.children)
        site.children.clear()
        SERVICES[name].start(site)

    def _is_readable(self) -> bool:
        """Whether this version can use what the folder keeps; print a line if not."""
        file = self.state_dir / FORMAT_FILE
        found = file.read_text() if file.exists() else ""
        if found == FORMAT or not (self.state_dir / "secrets").exists():
            return True
        sys.stderr.write(f"{self.state_dir} holds data of another version of LuxeWin: they are made anew.\n")
        return False

    def _start(self) -> None:
        if not os.environ.get("LUXEWIN_ENV"):
            self.environment["LUXEWIN_ENV"] = "development"
        for name, size in KEPT_SECRETS.items():
            if not _is_set(name):
                self.environment[name] = kept(self.state_dir / "secrets" / name, partial(secrets.token_urlsafe, size))
        for name in self.names:
            folder = private_folder(self.state_dir / name)
            logs = self.state_dir / "logs"
            self.sites[name] = ServiceDir(
                name, folder, logs, self._lock.descriptor, self._given_up.is_set, self.durable
            )
        with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
            starts = [pool.submit(_start_somewhere, SERVICES[name], site) for name, site in self.sites.items()]
            try:
                for started in as_completed(starts):
                    self.environment |= started.result()
            except BaseException:
                self._given_up.set()  # otherwise leaving the pool would wait until the other parts answer
                raise
        facts = {"pid": os.getpid(), "environment": self.environment}
        write_private(self.state_dir / ENVIRONMENT, json.dumps(facts, indent=1))


def _start_somewhere(part: Part, site: ServiceDir) -> dict[str, str]:
    """Start a part; use other ports if another process took a chosen one before the part listened there."""
    for _ in range(PORT_CHOICES - 1):
        try:
            return part.start(site)
        except ServiceError:
            for child in site.children:
                child.stop()
            if not site.lost_a_port():
                raise
            site.clear()
    return part.start(site)


class _Lock:
    """The lock of a state folder. Guards hold it too, so it is free only once the last process is gone."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / LOCK
        self.descriptor = -1

    def __enter__(self) -> Self:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        deadline = time.monotonic() + LET_GO_SECONDS
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                holder = self._holder()
                if error.errno not in {errno.EAGAIN, errno.EACCES} or _alive(holder) or time.monotonic() > deadline:
                    os.close(self.descriptor)
                    raise StateInUseError(f"{self.path.parent} is in use by process {holder or '(unknown)'}") from error
            time.sleep(0.05)  # its supervisor is dead, or another process just looked: it will be free in a moment
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self.descriptor, 0)
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)

    def _holder(self) -> int:
        content = os.pread(self.descriptor, 20, 0)
        return int(content) if content.isdigit() else 0


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wipe(state_dir: Path) -> None:
    """Remove all state except the lock, which the caller holds. Refuse a folder that is not ours."""
    ours = {*SERVICES, "secrets", "logs", LOCK, ENVIRONMENT, FORMAT_FILE}
    if strangers := {path.name for path in state_dir.iterdir()} - ours:
        raise ServiceError(
            f"{state_dir} is not wiped: it holds what no part put there ({', '.join(sorted(strangers))})"
        )
    from dev.services import postgres

    postgres.erase(state_dir / "postgres")
    for path in state_dir.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _stop(children: Iterable[ManagedProcess]) -> None:
    """Stop processes in parallel."""
    children = list(children)
    for child in children:
        child.release()
    for child in children:
        child.stop()
