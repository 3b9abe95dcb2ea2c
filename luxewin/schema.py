"""Whether the database has the schema of this code: a process that found it older would answer 500."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

SHOWN = 3  # migrations named in one line


class SchemaMissing(RuntimeError):
    """Migrations of this code are not applied."""


def missing_migrations() -> list[str]:
    """Return the migrations of this code that the database lacks, as `app.name`. A newer schema lacks none.

    Raise DatabaseError while the database does not answer. Cost: two queries and a listing of folders; no migration is
    imported, which would take a second.
    """
    applied = set(MigrationRecorder(connection).applied_migrations())
    return sorted(".".join(each) for each in _of_this_code() if each not in applied)


def probe() -> None:
    """Raise SchemaMissing, which names the first, while a migration is missing. A health probe."""
    if missing := missing_migrations():
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise SchemaMissing(
            f"the database lacks {', '.join(missing[:SHOWN])}{more}: run `manage.py migrate` with this code, then "
            "start its processes"
        )


def refuse_older_schema() -> None:
    """Exit with one line if a migration is missing. While the database does not answer, health says so instead."""
    try:
        probe()
    except SchemaMissing as missing:
        sys.exit(f"This process refuses to start: {missing}.")
    except DatabaseError:
        return
    finally:
        connection.close()


def _of_this_code() -> Iterator[tuple[str, str]]:
    for app in apps.get_app_configs():
        package = settings.MIGRATION_MODULES.get(app.label, f"{app.name}.migrations")
        spec = find_spec(package) if package else None
        for module in iter_modules(spec.submodule_search_locations if spec else []):
            if not module.name.startswith(("_", "~")):
                yield app.label, module.name
