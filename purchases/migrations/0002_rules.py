"""What models cannot express (purchases/sql), and how long people wait at first whose holds lapse."""

from datetime import timedelta

from django.db import migrations

from luxewin.sql import load

# After so many lapses in a day.
WAITS = {3: timedelta(minutes=5), 4: timedelta(minutes=15), 5: timedelta(hours=1), 6: timedelta(hours=6)}


def seed(apps, schema_editor):
    wait = apps.get_model("purchases", "LapseWait")
    wait.objects.bulk_create(wait(lapses=lapses, wait=length) for lapses, length in WAITS.items())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_rules"), ("purchases", "0001_initial"), ("raffles", "0002_rules")]
    operations = [
        *load("purchases", "hold_tickets", "wait_after_lapses", "frozen_entries_are_fixed", "note_customer_change"),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
