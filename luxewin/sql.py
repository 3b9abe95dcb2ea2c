"""SQL that a migration loads: functions, triggers and what models cannot express, in `APP/sql/NAME.sql`."""

from pathlib import Path

from django.db.migrations import RunSQL

PROJECT = Path(__file__).resolve().parent.parent


def load(app: str, *names: str) -> list[RunSQL]:
    """Operations that run `APP/sql/NAME.sql`, in this order; `app` is the folder of the app, such as `luxewin/audit`.

    Each file is the one text of what it defines, written so that it can be run again: to change a function, change its
    file and load it in a new migration. Going back is a matter of restoring the file.
    """
    return [RunSQL((PROJECT / app / "sql" / f"{name}.sql").read_text(), RunSQL.noop) for name in names]
