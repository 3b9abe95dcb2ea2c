"""Exports, deletions, exclusions that outlive an account, and the rules of retention."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import luxewin.ids

MINIMISATION = "GDPR Art. 5(1)(c) and (e): not needed any longer."
# Tried in a test against the removers in the code: each has its row, and no row is without one.
RULES = {
    "ended_sessions": (90, "GDPR Art. 6(1)(f): to look into misuse that is noticed late."),
    "message_contents": (365, "GDPR Art. 6(1)(f): to show for a year what somebody was told, word for word."),
    "unverified_accounts": (30, MINIMISATION),
    "exports": (7, MINIMISATION),
    "link_requests": (7, MINIMISATION),
    "sign_in_delays": (1, "GDPR Art. 6(1)(f): to slow down those who guess passwords."),
    "address_changes": (1, MINIMISATION),
    "excluded_addresses": (0, "GDPR Art. 6(1)(c) and (f): kept while the exclusion lasts, to hold to it."),
    "back_office_sessions": (0, MINIMISATION),
    "finished_tasks": (30, "GDPR Art. 6(1)(f): to find faults; it holds ids alone."),
    "failed_tasks": (30, "GDPR Art. 6(1)(f): to find faults; its errors may quote an address."),
    "client_secrets": (30, MINIMISATION),
    "stripe_deliveries": (90, "GDPR Art. 6(1)(f): to look into deliveries that went wrong; it holds addresses."),
}


def seed(apps, schema_editor):
    rule = apps.get_model("accounts", "RetentionRule")
    rule.objects.bulk_create(rule(what=what, keep_days=days, why=why) for what, (days, why) in RULES.items())


def identifier():
    return models.UUIDField(primary_key=True, default=luxewin.ids.uuid7, editable=False, serialize=False)


def claimed():
    return models.DateTimeField(editable=False, null=True)


def born():
    return models.DateTimeField(db_default=django.db.models.functions.datetime.Now())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_preferences")]
    operations = [
        migrations.CreateModel(
            name="Export",
            fields=[
                ("claimed_until", claimed()),
                ("id", identifier()),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("ready", "Ready"), ("failed", "Failed")],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=200)),
                ("size", models.PositiveBigIntegerField(help_text="Bytes.", null=True)),
                ("created_at", born()),
                ("ready_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(help_text="Until when its link opens it.", null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exports",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("start_export", "Can start an export on a person's written request")],
                "constraints": [
                    models.UniqueConstraint(fields=["user"], condition=Q(status="waiting"), name="export_one_waiting")
                ],
            },
        ),
        migrations.CreateModel(
            name="ExportPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("content", models.BinaryField()),
                (
                    "export",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="accounts.export",
                    ),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [models.UniqueConstraint(fields=["export", "number"], name="export_part_once")],
            },
        ),
        migrations.CreateModel(
            name="Deletion",
            fields=[
                ("claimed_until", claimed()),
                ("id", identifier()),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("cancelled", "Cancelled"), ("done", "Done")],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("created_at", born()),
                ("due_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "can_be_kept",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="The mailed link takes it back; not any more if staff closed the account.",
                    ),
                ),
                (
                    "obstacles",
                    models.JSONField(default=list, help_text="Codes of what stood in the way when it was last due."),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deletions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("start_deletion", "Can start a deletion on a person's written request")],
                "indexes": [models.Index(fields=["due_at"], condition=Q(status="waiting"), name="deletion_due")],
                "constraints": [
                    models.UniqueConstraint(fields=["user"], condition=Q(status="waiting"), name="deletion_one_waiting")
                ],
            },
        ),
        migrations.CreateModel(
            name="ExcludedAddress",
            fields=[
                ("digest", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("until", models.DateTimeField(help_text="None: for good.", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                ("claimed_until", claimed()),
                ("what", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("keep_days", models.PositiveIntegerField()),
                (
                    "why",
                    models.CharField(help_text="The legal basis of keeping it so long, and no longer.", max_length=300),
                ),
                (
                    "ran_at",
                    models.DateTimeField(
                        editable=False, help_text="When it was last carried out to the end.", null=True
                    ),
                ),
            ],
            options={"ordering": ["what"]},
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
