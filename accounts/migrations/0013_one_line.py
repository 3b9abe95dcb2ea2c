"""Names, reasons and versions are text on one line, and what was given up can be sent again; no column changes."""

import luxewin.lines
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0012_eligibility'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='notification',
            options={'permissions': [('resend_notification', 'Can send a message again that was given up')]},
        ),
        migrations.AlterField(
            model_name='countryrule',
            name='reason',
            field=luxewin.lines.LineField(help_text='Shown to those whom it keeps from buying.', max_length=200),
        ),
        migrations.AlterField(
            model_name='retentionrule',
            name='why',
            field=luxewin.lines.LineField(help_text='The legal basis of keeping it so long, and no longer.', max_length=300),
        ),
        migrations.AlterField(
            model_name='terms',
            name='version',
            field=luxewin.lines.LineField(help_text='For example 2026-11.', max_length=40, unique=True),
        ),
        migrations.AlterField(
            model_name='user',
            name='display_name',
            field=luxewin.lines.LineField(max_length=80),
        ),
    ]
