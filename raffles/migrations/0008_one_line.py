"""Titles, questions, answers, reasons and prizes are text on one line; no column changes."""

import luxewin.lines
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('raffles', '0007_stripe_units'),
    ]

    operations = [
        migrations.AlterField(
            model_name='prize',
            name='name',
            field=luxewin.lines.LineField(max_length=120),
        ),
        migrations.AlterField(
            model_name='raffle',
            name='answer',
            field=luxewin.lines.LineField(blank=True, help_text='The right answer; never shown to buyers.', max_length=200),
        ),
        migrations.AlterField(
            model_name='raffle',
            name='cancel_reason',
            field=luxewin.lines.LineField(blank=True, editable=False, max_length=200),
        ),
        migrations.AlterField(
            model_name='raffle',
            name='question',
            field=luxewin.lines.LineField(blank=True, help_text='A question of skill that every buyer answers.', max_length=300),
        ),
        migrations.AlterField(
            model_name='raffle',
            name='title',
            field=luxewin.lines.LineField(max_length=120),
        ),
    ]
