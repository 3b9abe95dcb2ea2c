"""Endpoints, events and deliveries."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import luxewin.ids
import luxewin.lines
import luxewin.webhooks.addresses
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.UUIDField(default=luxewin.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=40)),
                ('dedupe_key', models.CharField(max_length=120, unique=True)),
                ('data', models.JSONField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('claimed_until', models.DateTimeField(editable=False, null=True)),
                ('id', models.UUIDField(default=luxewin.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('url', models.CharField(max_length=500, validators=[luxewin.webhooks.addresses.validate_endpoint_url], verbose_name='web address')),
                ('description', luxewin.lines.LineField(blank=True, max_length=200)),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('purchase.paid', 'purchase.paid'), ('purchase.refunded', 'purchase.refunded'), ('raffle.published', 'raffle.published'), ('raffle.closed', 'raffle.closed'), ('raffle.cancelled', 'raffle.cancelled'), ('raffle.drawn', 'raffle.drawn'), ('winner.claimed', 'winner.claimed'), ('dispute.opened', 'dispute.opened')], max_length=40), verbose_name='events')),
                ('status', models.CharField(choices=[('active', 'Active'), ('disabled', 'Disabled'), ('off', 'Switched off')], default='active', max_length=8)),
                ('secret', models.CharField(editable=False, max_length=200)),
                ('previous_secret', models.CharField(blank=True, editable=False, max_length=200)),
                ('previous_until', models.DateTimeField(editable=False, null=True, verbose_name='signs with the earlier secret too until')),
                ('failures', models.PositiveIntegerField(default=0, editable=False, verbose_name='failures in a row')),
                ('last_success_at', models.DateTimeField(editable=False, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'verbose_name': 'endpoint',
                'constraints': [models.CheckConstraint(condition=models.Q(('event_types__len__gt', 0)), name='webhook_endpoint_has_events')],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('sent', 'On its way'), ('delivered', 'Delivered'), ('failed', 'Failed'), ('suppressed', 'Not sent')], default='queued', max_length=10)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='tried from')),
                ('first_attempt_at', models.DateTimeField(null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('response_status', models.PositiveSmallIntegerField(null=True, verbose_name='HTTP status')),
                ('answer', models.CharField(blank=True, db_default='', help_text='The beginning of the last answer.', max_length=500)),
                ('error', models.CharField(blank=True, db_default='', max_length=200)),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='webhooks.endpoint')),
                ('event', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='webhooks.event')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'permissions': [('replay_delivery', 'Can send events again')],
                'indexes': [models.Index(condition=models.Q(('status__in', ['queued', 'sent'])), fields=['endpoint', 'due_at'], name='webhook_delivery_due')],
                'constraints': [models.UniqueConstraint(fields=('event', 'endpoint'), name='webhook_delivery_once')],
            },
        ),
    ]
