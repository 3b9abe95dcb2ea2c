"""References and reasons are text on one line; no column changes."""

import luxewin.lines
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0013_customers_and_set_aside_events'),
    ]

    operations = [
        migrations.AlterField(
            model_name='postalentry',
            name='reference',
            field=luxewin.lines.LineField(help_text='What staff wrote on the letter; once per raffle.', max_length=64),
        ),
        migrations.AlterField(
            model_name='refund',
            name='reason',
            field=luxewin.lines.LineField(max_length=200),
        ),
    ]
