"""News of Stripe that waits to be looked at, how far its events are known, and comparisons of the books."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0004_hold_tickets'),
    ]

    operations = [
        migrations.CreateModel(
            name='Reconciliation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('claimed_until', models.DateTimeField(editable=False, null=True)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('reached', models.DateTimeField(help_text='What Stripe made before is compared.')),
                ('finished_at', models.DateTimeField(null=True)),
                ('compared', models.PositiveIntegerField(default=0, help_text="Objects of Stripe's and of ours looked at.")),
                ('repaired', models.PositiveIntegerField(default=0)),
                ('remaining', models.JSONField(default=list, help_text='A line for each difference that is left.')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='StripeWatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('claimed_until', models.DateTimeField(editable=False, null=True)),
                ('events_until', models.DateTimeField(help_text='Every event created before is stored.')),
                ('compared_at', models.DateTimeField(help_text='When the newest comparison was ordered.')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='StripeNotice',
            fields=[
                ('claimed_until', models.DateTimeField(editable=False, null=True)),
                ('object_id', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('about', models.CharField(choices=[('payment_intent', 'Payment intent'), ('refund', 'Refund'), ('dispute', 'Dispute')], max_length=14)),
                ('noted_at', models.DateTimeField(help_text='When the newest event about it came.')),
            ],
            options={
                'indexes': [models.Index(fields=['claimed_until'], name='notice_due')],
            },
        ),
    ]
