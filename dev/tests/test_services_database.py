"""The embedded PostgreSQL is a real one, closed to strangers, and honest about what it has committed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from dev import services
from dev.services import postgres


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Supervisor]:
    state = tmp_path_factory.mktemp("database") / "state"
    with services.Supervisor(state, names=["postgres"]) as supervisor:
        yield supervisor
    services.erase(state)


@pytest.fixture
def connection(supervisor: services.Supervisor) -> Iterator[psycopg.Connection]:
    with psycopg.connect(supervisor.environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def test_it_is_version_18_with_the_settings_of_a_real_one(connection: psycopg.Connection) -> None:
    assert connection.info.server_version // 10_000 == 18
    wanted = {"fsync": "on", "max_connections": "200", "shared_buffers": "256MB", "listen_addresses": "127.0.0.1"}
    for setting, value in wanted.items():
        assert connection.execute(f"SHOW {setting}").fetchone() == (value,)


def test_the_products_role_owns_its_database_and_is_no_superuser(connection: psycopg.Connection) -> None:
    assert connection.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone() == (
        False,
        True,
    )
    connection.execute("CREATE TABLE proof (x int)")
    connection.execute("DROP TABLE proof")


def test_the_products_role_may_have_the_extensions_of_the_other_wheel(connection: psycopg.Connection) -> None:
    for name in postgres.EXTENSIONS:
        connection.execute(f"CREATE EXTENSION {name}")  # type: ignore[call-overload]
    assert connection.execute("SELECT strict_word_similarity('rolex', 'a rolex')").fetchone() == (1.0,)


def test_a_wrong_password_is_refused(supervisor: services.Supervisor) -> None:
    url = supervisor.environment["DATABASE_URL"].replace("luxewin:", "luxewin:wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_what_was_committed_survives_a_kill_and_a_restart_at_the_same_address(supervisor: services.Supervisor) -> None:
    url = supervisor.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    child = supervisor.part("postgres")
    os.kill(child.pid, signal.SIGKILL)
    child.wait(60)
    supervisor.restart("postgres")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT x FROM kept").fetchone() == (42,)
    assert supervisor.part("postgres").pid != child.pid


def test_data_survive_the_supervisor_and_are_gone_after_a_fresh_start(tmp_path: Path) -> None:
    state, found = tmp_path / "state", []
    for fresh in (False, False, True):
        with (
            services.running(state, names=["postgres"], fresh=fresh) as environment,
            psycopg.connect(environment["DATABASE_URL"]) as connection,
        ):
            found.append(connection.execute("SELECT to_regclass('proof') IS NOT NULL").fetchone())
            connection.execute("CREATE TABLE IF NOT EXISTS proof (x int)")
    home = (state / "postgres" / "cluster").resolve()
    assert found == [(False,), (True,), (False,)]
    assert (home / "data").is_dir()
    services.erase(state)
    assert not home.exists()


def test_a_folder_that_was_deleted_and_made_again_starts_with_a_new_cluster(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with services.running(state, names=["postgres"]) as before, psycopg.connect(before["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    shutil.rmtree(state)  # as somebody does who deletes a clone and clones anew
    with services.running(state, names=["postgres"]) as after, psycopg.connect(after["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    services.erase(state)


def test_its_tools_can_be_called(supervisor: services.Supervisor) -> None:
    dump: list[str | Path] = [postgres.binary("pg_dump"), "--schema-only", supervisor.environment["DATABASE_URL"]]
    assert b"PostgreSQL database dump" in subprocess.run(dump, check=True, capture_output=True).stdout
    with pytest.raises(services.ServiceError, match="no program pg_dance"):
        postgres.binary("pg_dance")


def test_what_deleted_folders_left_outside_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "OUT_OF_ROOT", tmp_path)
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres.pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=os.getuid()))
    (tmp_path / "kept").mkdir()
    for name, folder in (("gone", "gone"), ("kept", "kept"), ("used", "gone"), ("unnamed", None)):
        home = tmp_path / f"luxewin-{name}"
        (home / "data").mkdir(parents=True)
        if folder:
            (home / postgres.OWNER).write_text(str(tmp_path / folder))
    (tmp_path / "luxewin-used" / "data" / "postmaster.pid").touch()
    (tmp_path / "another").mkdir()
    (tmp_path / "luxewin-link").symlink_to(tmp_path / "another")
    assert postgres.erase_orphans() == [tmp_path / "luxewin-gone"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"kept", "another", "luxewin-kept", "luxewin-used", "luxewin-unnamed", "luxewin-link"}
