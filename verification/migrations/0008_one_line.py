"""Public reasons are text on one line; no column changes."""

import luxewin.lines
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('verification', '0007_guards'),
    ]

    operations = [
        migrations.AlterField(
            model_name='draw',
            name='void_reason',
            field=luxewin.lines.LineField(blank=True, help_text='Public.', max_length=200),
        ),
        migrations.AlterField(
            model_name='forfeit',
            name='reason',
            field=luxewin.lines.LineField(help_text='Public: anyone reads it beside the pick.', max_length=300),
        ),
    ]
