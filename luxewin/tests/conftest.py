"""What tests of the whole API share: its world; and at the end of a run's report, how much was tried."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import psycopg
import pytest
from django.db import connection

from accounts.models import User
from accounts.tests.conftest import project  # noqa: F401 a fixture
from accounts.tests.project import Project
from luxewin.health.probes import EXAMINER
from luxewin.tests.contract.sample_data import PASSWORD, World
from luxewin.tests.ready_answers import answers, backend, clock  # noqa: F401 fixtures
from raffles.models import Raffle


@pytest.fixture
def world(
    person: Callable[..., User],
    draft: Callable[..., Raffle],
    on_sale: Callable[..., Raffle],
    settings: Any,
    project: Project,  # noqa: F811
) -> World:
    """Alice owns what there is; Bob wants it, and staff. Hashes cost nothing, and nobody counts requests."""
    settings.RATELIMIT_ENABLE = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cast = {
        "buyer": person("alice"),
        "other": person("bob"),
        "unverified": person("charlie", verified=False),
        "managers": person("mona", role="raffle managers"),
        "finance": person("fiona", role="finance"),
        "support": person("sam", role="support"),
        "auditors": person("audrey", role="auditors"),
        "root": person("root", is_superuser=True),
    }
    User.objects.filter(pk=cast["root"].pk).update(is_staff=True)
    for user in (cast["buyer"], cast["other"]):
        user.set_password(PASSWORD)
        user.save()
    return World({"anonymous": None} | cast, draft, on_sale, project)


@pytest.fixture
def examined() -> None:
    """This process has examined its parts once, as one that has served for a moment has, and found them well."""
    for probe in EXAMINER.probes.values():
        probe.found = ("ok", "", monotonic())


class ReadOnlyDatabase:
    """The test's database, of which every new session reads and none writes, as after a failover."""

    def begin(self) -> None:
        """From now on, this thread's own session included."""
        self._set("SET default_transaction_read_only = on")
        connection.close()

    def end(self) -> None:
        """Sessions that begin from now on write again; those that are kept do not."""
        self._set("RESET default_transaction_read_only")

    def _set(self, change: str) -> None:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        with psycopg.connect(**_login(), autocommit=True) as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(f"ALTER DATABASE {name} {change}")


def _login() -> dict[str, Any]:
    facts = connection.get_connection_params()
    return {name: facts[name] for name in ("host", "port", "user", "password", "dbname")}


@pytest.fixture
def read_only_database(transactional_db: None) -> Iterator[ReadOnlyDatabase]:
    """`begin()` has the database only read, `end()` is the failover back."""
    database = ReadOnlyDatabase()
    yield database
    database.end()
    connection.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what the tests of luxewin/tests/contract counted, wherever they ran."""
    reports = [report for kept in terminalreporter.stats.values() for report in kept]
    rows = sorted(
        {
            tuple(value)
            for report in reports
            for name, value in getattr(report, "user_properties", [])
            if name == "contract"
        }
    )
    if not rows:
        return
    terminalreporter.section("requests made from the API's description")
    total = ("in all", *(sum(row[place] for row in rows) for place in (1, 2, 3)))
    for label, examples, asked, good in (*rows, total):
        terminalreporter.line(
            f"{examples:6} examples {asked:6} requests {good / max(asked, 1):6.0%} succeeded  {label}"
        )
