"""The short way to today's schema leads where the migrations lead.

The short way is for dj-stripe alone, whose migrations take a minute of one core and change with its version only. What
they lead to is kept as a digest in `data/djstripe-schema.json`, beside a digest of all that it follows from. After a
change of these every migration is run, the two databases are compared, and the new record has to be committed.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import connect, sql

from dev.services.postgres import binary

OF_DJSTRIPE = re.compile(r"(CREATE TABLE|ALTER TABLE( ONLY)?|CREATE (UNIQUE )?INDEX \S+ ON) public\.djstripe_")
RECORD = Path(__file__).parent / "data" / "djstripe-schema.json"


def address(database: str) -> str:
    values = settings.DATABASES["default"]
    login = f"{quote(values['USER'])}:{quote(values['PASSWORD'])}@{values['HOST']}:{values['PORT']}"
    return f"postgres://{login}/{database}"


@pytest.fixture
def migrated(db: None) -> Iterator[str]:
    """A database in which every migration ran, from the first on, as in production."""
    name = f"migrated_{connection.settings_dict['NAME']}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with connect(address("postgres"), autocommit=True) as server:
        server.execute(drop)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", "--skip-checks"]
            environment = os.environ | {"DATABASE_URL": address(name)}
            subprocess.run(command, cwd=settings.BASE_DIR, env=environment, check=True)
            yield name
        finally:
            server.execute(drop)


def schema(database: str) -> set[str]:
    """Every statement that makes the database's schema; columns by name, as their order means nothing to Django."""
    command = [binary("pg_dump"), "--schema-only", "--no-owner", "--no-privileges", "--dbname", address(database)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    text = re.sub(r"^(--.*|\\(un)?restrict .*)$", "", text, flags=re.MULTILINE)
    return {_by_column(part.strip()) for part in re.split(r";\n\n+", text)}


def _by_column(statement: str) -> str:
    if not statement.startswith("CREATE TABLE"):
        return statement
    head, _, rest = statement.partition("(\n")
    body, _, tail = rest.rpartition("\n)")
    return "\n".join([head, *sorted(line.strip().rstrip(",") for line in body.splitlines()), tail])


def contents(database: str) -> tuple[set[tuple[str, str]], dict[str, int]]:
    """Which migrations are noted as applied, and how many rows each table has.

    But for the audit's: the first grant of roles is recorded, and the tests begin with an empty audit.
    """
    with connect(address(database)) as reader:
        applied = set(reader.execute("SELECT app, name FROM django_migrations").fetchall())
        tables = [row[0] for row in reader.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        tables = [table for table in tables if table not in {"audit_auditentry", "audit_unsealed"}]
        count = sql.SQL("SELECT count(*) FROM {}")
        rows = {table: reader.execute(count.format(sql.Identifier(table))).fetchone() for table in tables}
    return applied, {table: row[0] for table, row in rows.items() if row}


def of_djstripe(statements: Iterable[str]) -> dict[str, str]:
    """The digest of its tables with their keys and indexes, and of what they follow from: its migrations and Django."""
    folder = Path(apps.get_app_config("djstripe").path) / "migrations"
    migrations = b"".join(file.name.encode() + file.read_bytes() for file in sorted(folder.glob("0*.py")))
    made = "\n".join(sorted(filter(OF_DJSTRIPE.match, statements)))
    followed = f"{django.VERSION[:2]}".encode() + migrations
    return {"from": sha256(followed).hexdigest(), "schema": sha256(made.encode()).hexdigest()}


def test_the_short_way_leads_where_djstripes_migrations_lead(db: None, request: pytest.FixtureRequest) -> None:
    short = str(connection.settings_dict["NAME"])
    ours = schema(short)
    assert len([statement for statement in ours if statement.startswith("CREATE TABLE")]) > 80
    found, record = of_djstripe(ours), json.loads(RECORD.read_text())
    if found["from"] == record["from"]:
        assert found == record
        call_command("migrate", check=True, verbosity=0)
        return
    migrated = request.getfixturevalue("migrated")
    theirs = schema(migrated)
    assert any("frozen_entries_are_fixed" in statement for statement in theirs)
    assert sorted(theirs - ours) == sorted(ours - theirs) == []
    assert contents(short) == contents(migrated)
    pytest.fail(f"the migrations agree; {RECORD.name} has to say {json.dumps(found)}")


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
