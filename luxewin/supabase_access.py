"""What a Supabase project's API could do with our schema: its roles must have no access at all."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

# Supabase's API acts as these for whoever has the project's public key.
API_ROLES = ["anon", "authenticated"]
# A function is everybody's to call by default, which needs the right to use its schema. No one can call a trigger's.
OPEN = """
    WITH api AS (SELECT oid, rolname FROM pg_roles WHERE rolname = ANY (%(roles)s)),
    ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = current_schema()),
    relations AS (
        SELECT c.oid, c.relname, c.relkind, c.relrowsecurity,
            CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind
        FROM pg_class AS c JOIN ours ON c.relnamespace = ours.oid WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    )
    SELECT rolname || ' may use the schema ' || nspname FROM api, ours
    WHERE has_schema_privilege(api.oid, ours.oid, 'USAGE') OR has_schema_privilege(api.oid, ours.oid, 'CREATE')
    UNION ALL
    SELECT rolname || ' has rights to the ' || kind || ' ' || relname FROM api, relations
    WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege(api.oid, relations.oid, 'USAGE, SELECT, UPDATE')
        ELSE has_table_privilege(api.oid, relations.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
            OR has_any_column_privilege(api.oid, relations.oid, 'SELECT, INSERT, UPDATE, REFERENCES') END
    UNION ALL
    SELECT 'row-level security is off for the table ' || relname FROM relations
    WHERE relkind IN ('r', 'p') AND NOT relrowsecurity
    UNION ALL
    SELECT rolname || ' may call the function ' || p.oid::regprocedure FROM api, pg_proc AS p
    JOIN ours ON p.pronamespace = ours.oid
    WHERE p.prorettype <> 'trigger'::regtype AND has_function_privilege(api.oid, p.oid, 'EXECUTE')
        AND has_schema_privilege(api.oid, ours.oid, 'USAGE')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
    UNION ALL
    SELECT rolname || ' will have ' || lower(acl.privilege_type) || ' on every new ' || CASE d.defaclobjtype
            WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'function' ELSE 'object' END
        || ' of ' || d.defaclrole::regrole
    FROM pg_default_acl AS d CROSS JOIN aclexplode(d.defaclacl) AS acl JOIN api ON acl.grantee IN (api.oid, 0)
    WHERE d.defaclnamespace IN (SELECT oid FROM ours UNION SELECT 0)
        AND d.defaclrole IN (SELECT nspowner FROM pg_namespace WHERE nspname = current_schema()
            UNION SELECT relowner FROM pg_class JOIN ours ON relnamespace = ours.oid)
    ORDER BY 1
"""


def has_api_roles() -> bool:
    """Whether this database has the roles of Supabase's API. Cost: one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s)", [API_ROLES])
        return bool(cursor.fetchone()[0])


def open_to_the_api() -> list[str]:
    """Return a line for each table, view, sequence, function and default right that the API's roles could use.

    So too for each table without row-level security. Cost: one query of the catalogue.
    """
    with connection.cursor() as cursor:
        cursor.execute(OPEN, {"roles": API_ROLES})
        return [line for (line,) in cursor.fetchall()]


@register(Tags.database, deploy=True)
def nothing_is_open_to_the_api(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that a Supabase project's API reaches nothing of ours. Cost: two queries."""
    if not databases or not has_api_roles() or not (found := open_to_the_api()):
        return []
    said = f"The API of this Supabase project reaches our tables: {found[0]}, and {len(found) - 1} more."
    hint = "deploy/postgres/roles.sql and row_security.sql; `manage.py check_supabase` names each."
    return [Error(said, hint=hint, id="luxewin.E063")]
