import django.db.models.functions.datetime
from django.db import migrations, models

from luxewin.sql import load

# Of raffles from before: their last known step. Read before the trigger is there.
LAST_STEP = """
    UPDATE raffles_raffle SET updated_at = GREATEST(
        created_at, published_at, announced_at, closed_at, frozen_at, drawn_at, cancelled_at)
"""


class Migration(migrations.Migration):
    dependencies = [("raffles", "0005_sale_stops")]

    operations = [
        migrations.AddField(
            model_name="raffle",
            name="updated_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                help_text="When anything but its ticket counter last changed; by a trigger.",
            ),
        ),
        migrations.RunSQL(LAST_STEP, migrations.RunSQL.noop),
        *load("raffles", "raffle_updated_at"),
    ]
