"""SQL files that a migration loads: functions, triggers and rules that models cannot express (`APP/sql/NAME.sql`)."""

from pathlib import Path

from django.db.migrations import RunSQL

PROJECT = Path(__file__).resolve().parent.parent


def load(app: str, *names: str) -> list[RunSQL]:
    """Return operations that run `APP/sql/NAME.sql`, in this order; `app` is a folder such as `luxewin/audit`.

    Each file is the only text of what it defines, and can be run again: to change a function, change its file and load
    it in a new migration. To go back, restore the file.
    """
    return [RunSQL((PROJECT / app / "sql" / f"{name}.sql").read_text(), RunSQL.noop) for name in names]
