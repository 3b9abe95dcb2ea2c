"""How much of a raffle can be held for slow payments at once: one of the terms that never change once it is published."""

from importlib import import_module

import django.core.validators
from django.db import migrations, models

FORMER = import_module("raffles.migrations.0004_question_is_a_term")
BEFORE = (*FORMER.BEFORE, "question", "choices", "answer")


class Migration(migrations.Migration):
    dependencies = [("raffles", "0010_answers_as_typed")]
    operations = [
        migrations.AddField(
            model_name="raffle",
            name="debit_percent",
            field=models.PositiveSmallIntegerField(
                db_default=20,
                default=20,
                help_text="Of the tickets, how many per cent at most are held for payments that a bank takes days over.",
                validators=[django.core.validators.MaxValueValidator(100)],
            ),
        ),
        migrations.AddConstraint(
            model_name="raffle",
            constraint=models.CheckConstraint(
                condition=models.Q(("debit_percent__lte", 100)), name="raffle_debit_percent"
            ),
        ),
        migrations.RunSQL(FORMER.guard(*BEFORE, "debit_percent"), FORMER.guard(*BEFORE)),
    ]
