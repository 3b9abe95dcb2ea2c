"""A decided draw follows its commitment, if a reorganisation moves that, and shows the decision that no longer counts."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("verification", "0002_rules")]
    operations = [
        migrations.CreateModel(
            name="UndoneDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "committed_at",
                    models.PositiveBigIntegerField(help_text="When the commitment had been made, in Unix seconds."),
                ),
                ("round", models.PositiveBigIntegerField(verbose_name="beacon round")),
                ("signature", models.CharField(max_length=96)),
                ("seed", models.CharField(max_length=64)),
                (
                    "picks",
                    models.JSONField(help_text="Position and ticket of each former pick, none of which counts."),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="undone at"
                    ),
                ),
                (
                    "draw",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="undone_decisions",
                        to="verification.draw",
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        *load(
            "verification",
            "draw_promises_are_fixed",
            "draws_go_forward",
            "picks_are_fixed",
            "awards_follow_the_draw",
            "forfeits_are_fixed",
            "frozen_raffles_end_with_their_draw",
            "undone_decisions_are_fixed",
        ),
    ]
