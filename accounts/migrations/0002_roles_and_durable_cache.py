"""The roles as groups (their permissions: accounts.roles), and the table that counts sign-ins while Redis is away."""

from django.db import migrations

ROLES = ("raffle managers", "finance", "support", "auditors")
CACHE = """
CREATE TABLE accounts_durable_cache (
    cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamp with time zone NOT NULL
);
CREATE INDEX accounts_durable_cache_expires ON accounts_durable_cache (expires);
"""


def make_roles(apps, schema_editor):
    for name in ROLES:
        apps.get_model("auth", "Group").objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
        migrations.RunSQL(CACHE, "DROP TABLE accounts_durable_cache"),
    ]
