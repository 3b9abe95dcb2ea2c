"""Preferences by event and channel, and a second language."""

from django.db import migrations, models

import accounts.models.people

SWITCHES = {"email_purchases": "purchases", "email_draws": "draws"}


def carry_over(apps, schema_editor):
    rows = apps.get_model("accounts", "Preferences").objects.exclude(email_purchases=True, email_draws=True)
    for row in rows.iterator():
        row.switched_off = {event: ["email"] for name, event in SWITCHES.items() if not getattr(row, name)}
        row.save(update_fields=["switched_off"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_safeguards")]
    operations = [
        migrations.AddField(
            "Preferences",
            "switched_off",
            models.JSONField(
                blank=True,
                default=dict,
                help_text='Channels by event (accounts.events), for example {"draws": ["email"]}.',
            ),
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.RemoveField("Preferences", "email_purchases"),
        migrations.RemoveField("Preferences", "email_draws"),
        migrations.AlterField(
            "Preferences",
            "language",
            models.CharField(choices=[("en", "English"), ("de", "Deutsch")], default="en", max_length=8),
        ),
        migrations.AlterField(
            "Preferences",
            "time_zone",
            models.CharField(
                default="UTC", max_length=64, validators=[accounts.models.people.validate_time_zone]
            ),
        ),
    ]
