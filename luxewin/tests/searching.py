"""Looking for a word in the whole database."""

from django.db import connection


def tables_with(*words: str) -> set[str]:
    """The tables of the whole database in which any column has one of these texts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        names = [name for (name,) in cursor.fetchall()]
        found = set()
        for name in names:
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{name}" AS row WHERE row_to_json(row)::text LIKE ANY(%s))',
                [[f"%{word}%" for word in words]],
            )
            found |= {name for (has,) in cursor.fetchall() if has}
    return found
