"""The schema of embedded databases: built once, then copied.

dj-stripe's migrations rebuild the state of some fifty models hundreds of times: over a minute of one core. So an
embedded database gets dj-stripe's current tables, with its migrations noted as applied; everything else migrates as in
production. A test migrates for real and compares the two. The result is kept as a template database, named after a
digest of all migrations. Tests, the demo and a first `make run` copy it in a fraction of a second.
"""

import hashlib
from pathlib import Path

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

SHORTCUT = "djstripe"
ROLES_FILE = "accounts/roles.py"
# dj-stripe's models declare integer keys for these join tables; its migrations made them bigint.
WIDER_KEYS = (
    "djstripe_djstripeinvoicedefaulttaxrate",
    "djstripe_djstripeinvoiceitemtaxrate",
    "djstripe_djstripesubscriptionitemtaxrate",
)


def migrate_quickly() -> None:
    """Migrate the configured database to the current schema; safe to repeat. Cost if empty: about ten seconds."""
    recorder = MigrationRecorder(connection)
    if not any(app == SHORTCUT for app, _ in recorder.applied_migrations()):
        # dj-stripe's customers point at our users.
        call_command("migrate", "accounts", verbosity=0)
        with connection.schema_editor() as editor:
            for model in apps.get_app_config(SHORTCUT).get_models(include_auto_created=False):
                editor.create_model(model)
            for table in WIDER_KEYS:
                editor.execute(f"ALTER TABLE {table} ALTER COLUMN id TYPE bigint")  # nosemgrep: sql-by-parameters
        recorder.ensure_schema()
        for app, name in MigrationLoader(connection).graph.nodes:
            if app == SHORTCUT:
                recorder.record_applied(app, name)
    call_command("migrate", verbosity=0)


def ensure_template() -> str:
    """Return the name of the template database with the current schema; build it if missing, and drop older ones."""
    template = f"luxewin_schema_{_digest()}"
    with _server() as server:
        # If two processes need it at once, one builds it.
        server.execute("SELECT pg_advisory_lock(hashtext('luxewin_schema'))")
        if _exists(server, template):
            return template
        for (older,) in server.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'luxewin_schema_%'"
        ).fetchall():
            _run(server, "DROP DATABASE {} WITH (FORCE)", older)
        _run(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", "luxewin_building")
        _run(server, "CREATE DATABASE {}", "luxewin_building")
        target = connection.settings_dict["NAME"]
        connection.close()
        connection.settings_dict["NAME"] = "luxewin_building"
        try:
            migrate_quickly()
        finally:
            connection.close()
            connection.settings_dict["NAME"] = target
        # Only a finished schema gets the template's name, so that a crash leaves no incomplete one.
        _run(server, "ALTER DATABASE {} RENAME TO {}", "luxewin_building", template)
    return template


def prepare_database(*, fresh: bool) -> None:
    """Give the configured database the current schema; `fresh` empties it first."""
    template, target = ensure_template(), settings.DATABASES["default"]["NAME"]
    connection.close()
    with _server() as server:
        if fresh or not _has_tables(target):
            _run(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", target)
            _run(server, "CREATE DATABASE {} TEMPLATE {}", target, template)
        elif _comment(server, target) != template:
            migrate_quickly()
        server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(target), sql.Literal(template)))


def _digest() -> str:
    """Hash all apps' migrations and their SQL, the roles whose permissions they write, and this file."""
    digest = hashlib.sha256()
    folders = [Path(config.path) for config in apps.get_app_configs()]
    files = [
        file for folder in folders for kind in ("migrations/0*.py", "sql/*.sql") for file in sorted(folder.glob(kind))
    ]
    for file in [*files, settings.BASE_DIR / ROLES_FILE, Path(__file__)]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _server() -> psycopg.Connection:
    values = settings.DATABASES["default"]
    return psycopg.connect(
        dbname="postgres",
        user=values["USER"],
        password=values["PASSWORD"],
        host=values["HOST"],
        port=values["PORT"] or None,
        autocommit=True,
    )


def _run(server: psycopg.Connection, statement: str, *names: str) -> None:
    server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


def _exists(server: psycopg.Connection, name: str) -> bool:
    return server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _has_tables(name: str) -> bool:
    with _server() as server:
        if not _exists(server, name):
            return False
    tables = connection.introspection.table_names()
    connection.close()
    return bool(tables)


def _comment(server: psycopg.Connection, name: str) -> str | None:
    row = server.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    return row[0] if row else None
