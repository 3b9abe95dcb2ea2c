"""The audit is sealed: each row waits for its seal from the moment it is written, and seals are append-only too."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

# For each row: cheaper than for each statement wherever one writes a single row, which is nearly everywhere.
FORWARD = """
CREATE FUNCTION audit_awaits_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unsealed (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_awaits_seal AFTER INSERT ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_awaits_seal();
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
INSERT INTO audit_unsealed (entry_id) SELECT id FROM audit_auditentry;
"""
REVERSE = """
DROP TRIGGER audit_seal_append_only ON audit_seal;
DROP TRIGGER audit_awaits_seal ON audit_auditentry;
DROP FUNCTION audit_awaits_seal();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    # Rights are granted once migrations are through, and that is audited.
    run_before = [("accounts", "0004_second_factor")]
    operations = [
        migrations.CreateModel(
            name="Unsealed",
            fields=[("entry_id", models.BigIntegerField(primary_key=True, serialize=False))],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                (
                    "number",
                    models.BigIntegerField(help_text="1, 2, 3, … without a gap.", primary_key=True, serialize=False),
                ),
                (
                    "version",
                    models.PositiveSmallIntegerField(help_text="Which bytes were digested (luxewin.audit.canonical)."),
                ),
                (
                    "previous",
                    models.CharField(help_text="The digest of the seal before; zeros in the first.", max_length=64),
                ),
                (
                    "entries",
                    ArrayField(
                        base_field=models.BigIntegerField(),
                        help_text="Ids of the audit rows, in the order of their digests.",
                        size=None,
                    ),
                ),
                (
                    "digests",
                    models.BinaryField(
                        help_text="SHA-256 of each row, one after another; zeros for a row that was gone."
                    ),
                ),
                ("first_entry", models.BigIntegerField(help_text="The lowest of the ids.")),
                ("last_entry", models.BigIntegerField(help_text="The highest of the ids.")),
                (
                    "is_whole",
                    models.BooleanField(
                        help_text="Nothing else waited: a row that is sealed later was written later."
                    ),
                ),
                ("sealed_at", models.DateTimeField()),
                ("digest", models.CharField(max_length=64)),
            ],
            options={"indexes": [models.Index(fields=["last_entry"], name="seal_last_entry")]},
        ),
        migrations.CreateModel(
            name="Head",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("claimed_until", models.DateTimeField(editable=False, null=True)),
                ("number", models.BigIntegerField(default=0)),
                ("digest", models.CharField(default="0" * 64, max_length=64)),
            ],
            options={"abstract": False},
        ),
        migrations.AddIndex("AuditEntry", models.Index(fields=["actor", "id"], name="audit_by_actor")),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
