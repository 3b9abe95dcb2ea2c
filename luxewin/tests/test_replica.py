"""Public reads come from a streaming replica while it is near, everything else from the primary."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from dev.services import postgres
from dev.services.processes import ServiceDir
from dev.services.pytest_plugin import STATES
from dev.services.supervisor import Supervisor, attached
from luxewin import replica
from luxewin.connections import replica_is_one
from luxewin.health import parts
from purchases.tests.stage import bought
from raffles.models import Raffle
from verification.tests.drawing import committed

WAIT_SECONDS = 60


def _until(holds: Callable[[], Any]) -> None:
    """Wait until it holds; an outage does not count."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if holds():
                return
        except (DatabaseError, replica.UnusableError):
            pass
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_refused(text: str) -> bool:
    """Whether the replica is refused by a line with this text, while the primary's heart beats."""
    parts.database()
    try:
        replica.probe()
    except replica.UnusableError as error:
        return text in str(error)
    return False


def _is_near() -> bool:
    parts.database()
    replica.probe()
    return True


class Standby:
    """A streaming replica of the tests' own server."""

    def __init__(self, folder: Path) -> None:
        """Copy the server and start the copy."""
        url = os.environ["DATABASE_URL"]
        self._primary = next(
            state / "postgres" for state in STATES if (attached(state) or {}).get("DATABASE_URL") == url
        )
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        (folder / "standby").mkdir()
        self._site = ServiceDir("standby", folder / "standby", folder, self._lock, lambda: False, is_durable=False)
        self.port = postgres.start_standby(self._site, self._primary, urlsplit(url).port or 5432)

    def run(self, statement: Any) -> None:
        """Run a statement at the replica, as its superuser."""
        password = (self._primary / "superuser_password").read_text()
        with psycopg.connect(
            f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres", password=password, autocommit=True
        ) as session:
            session.execute(statement)

    def stop(self) -> None:
        """Stop it, now or at the end."""
        self._site.clear()

    def erase(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        os.close(self._lock)
        postgres.erase(self._site.folder)


@pytest.fixture
def configured(transactional_db: None, settings: Any, django_db_blocker: Any) -> Iterator[Callable[..., None]]:
    """Have DATABASE_REPLICA_URL lead elsewhere than the primary by these values."""
    settings.DATABASE_REPLICA_LAG_SECONDS = 5
    with pytest.MonkeyPatch.context() as patch:
        # Django lets a test open no connection to a database that was configured meanwhile.
        patch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)
        patch.setattr(replica, "LEFT_OUT_SECONDS", 0.2)
        yield lambda **values: patch.setitem(
            django_settings.DATABASES, replica.ALIAS, connection.settings_dict | values
        )
        if replica.is_configured():
            connections[replica.ALIAS].close()
            del connections[replica.ALIAS]


@pytest.fixture
def standby(tmp_path: Path, configured: Callable[..., None]) -> Iterator[Standby]:
    """A replica that is configured and near."""
    found = Standby(tmp_path)
    try:
        configured(HOST="127.0.0.1", PORT=found.port)
        _until(_is_near)
        yield found
    finally:
        connections[replica.ALIAS].close()
        found.erase()


def _sources(client: Any, path: str) -> tuple[int, set[str]]:
    """Return the status, and from which databases tables of raffles and draws were read."""
    parts.database()
    _until(_is_near)
    with (
        CaptureQueriesContext(connection) as primary,
        CaptureQueriesContext(connections[replica.ALIAS]) as copy,
    ):
        answer = client.get(path)
        if answer.streaming:
            b"".join(answer.streaming_content)
    read = {"primary": primary, "replica": copy}
    tables = ("raffles_", "verification_", "purchases_")
    return answer.status_code, {
        name for name, queries in read.items() if any(table in each["sql"] for each in queries for table in tables)
    }


@pytest.mark.stack
def test_public_reads_are_of_a_near_replica_and_own_writes_of_the_primary(standby, settings, people, on_sale, api):
    buyer, raffle = people(1)[0], on_sale(max_per_person=10)
    bought(buyer, raffle, 2)
    committed(raffle)
    anybody, known = api(), api(buyer)
    proofs = f"/api/v1/verification/{raffle.pk}"
    public = ["/api/v1/raffles/list", "/api/v1/raffles/list?search=watch", f"/api/v1/raffles/{raffle.pk}"]
    public += ["/api/v1/raffles/categories", "/api/v1/verification", "/api/v1/winners/list", "/verify"]
    public += [f"/verify/{raffle.pk}"]
    public += [proofs, *(f"{proofs}/{file}" for file in ("bundle", "entries.csv", "log", "log/heads"))]
    _until(lambda: Raffle.objects.using(replica.ALIAS).filter(pk=raffle.pk).exists())
    found = {path: _sources(anybody, path) for path in public}
    assert found == dict.fromkeys(public, (200, {"replica"}))
    assert _sources(known, public[2]) == (200, {"primary"})
    assert _sources(known, "/api/v1/purchases/list") == (200, {"primary"})

    # While it replays nothing, it is near for some seconds yet.
    settings.DATABASE_REPLICA_LAG_SECONDS = 60
    _until(_is_near)
    standby.run("SELECT pg_wal_replay_pause()")
    Raffle.objects.filter(pk=raffle.pk).update(description="New words.")
    young = on_sale()
    assert [client.get(public[2]).json()["description"] == "New words." for client in (anybody, known)] == [False, True]
    # What it does not have yet is not said to be missing.
    for path in (f"/api/v1/raffles/{young.pk}", f"/verify/{young.pk}"):
        assert anybody.get(path).status_code == 200

    # Too far behind, it is left out; and asked again once it is near.
    settings.DATABASE_REPLICA_LAG_SECONDS = 1
    _until(lambda: _is_refused("behind"))
    assert anybody.get(public[2]).json()["description"] == "New words."
    standby.run("SELECT pg_wal_replay_resume()")
    settings.DATABASE_REPLICA_LAG_SECONDS = 5
    _until(lambda: _sources(anybody, public[2]) == (200, {"replica"}))
    assert replica_is_one(databases=["default"]) == []

    # One that was promoted is refused, whatever it shows.
    standby.run("SELECT pg_promote()")
    assert _is_refused("leads to a primary")
    Raffle.objects.filter(pk=raffle.pk).update(description="Newer words.")
    assert anybody.get(public[2]).json()["description"] == "Newer words."
    (fault,) = replica_is_one(databases=["default"])
    assert (fault.id, "leads to a primary" in fault.msg) == ("luxewin.E043", True)

    standby.stop()
    assert anybody.get(public[2]).json()["description"] == "Newer words."
    (fault,) = replica_is_one(databases=["default"])
    assert (fault.id, "\n" in fault.msg) == ("luxewin.W009", False)


@pytest.mark.stack
def test_a_server_that_is_no_copy_is_refused_by_a_line(tmp_path, configured):
    with Supervisor(tmp_path / "other", ["postgres"], durable=False) as other:
        url = urlsplit(other.environment["DATABASE_URL"])
        configured(HOST=url.hostname, PORT=url.port, USER=url.username, PASSWORD=url.password, NAME="luxewin")
        (fault,) = replica_is_one(databases=["default"])
    assert (fault.id, fault.msg) == (
        "luxewin.E043",
        "DATABASE_REPLICA_URL leads to a server that is no copy of DATABASE_URL's.",
    )


@pytest.mark.django_db
def test_without_a_replica_nothing_is_asked_or_said(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert replica_is_one(databases=["default"]) == []
        assert replica.answer(lambda: HttpResponse(replica.reading_from())).content == b"default"
