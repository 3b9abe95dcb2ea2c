"""States of messages as providers tell them, one message a channel, and the words of each."""

from django.db import migrations, models

# Of the statuses before; no key of another table is touched.
RENAME = """
    UPDATE accounts_notification SET status = CASE status
        WHEN 'waiting' THEN 'queued' WHEN 'sent' THEN 'accepted' WHEN 'dropped' THEN 'suppressed' ELSE status END
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_rules'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='notification',
            options={'permissions': [('resend_notification', 'Can send messages again'), ('view_notification_words', 'Can read the words of messages')], 'verbose_name': 'message'},
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='accounts_notification_waiting',
        ),
        migrations.AddField(
            model_name='notification',
            name='answer',
            field=models.CharField(blank=True, db_default='', help_text='Of the mail server that took it.', max_length=200),
        ),
        migrations.AddField(
            model_name='notification',
            name='channel',
            field=models.CharField(choices=[('email', 'E-mail')], db_default='email', default='email', max_length=8),
        ),
        migrations.AddField(
            model_name='notification',
            name='contents_removed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='notification',
            name='recipient',
            field=models.CharField(blank=True, db_default='', max_length=254, verbose_name='sent to'),
        ),
        migrations.AddField(
            model_name='notification',
            name='resends',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='How often staff had it sent again.', verbose_name='sent again'),
        ),
        migrations.AddField(
            model_name='notification',
            name='subject',
            field=models.CharField(blank=True, db_default='', max_length=400),
        ),
        migrations.AddField(
            model_name='notification',
            name='text',
            field=models.TextField(blank=True, db_default=''),
        ),
        migrations.AlterField(
            model_name='notification',
            name='dedupe_key',
            field=models.CharField(max_length=120),
        ),
        migrations.AlterField(
            model_name='notification',
            name='status',
            field=models.CharField(choices=[('queued', 'Queued'), ('sent', 'On its way'), ('accepted', 'Accepted'), ('failed', 'Failed'), ('suppressed', 'Not sent')], default='queued', max_length=10),
        ),
        migrations.RunSQL(RENAME, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('status__in', ['queued', 'sent'])), fields=['claimed_until'], name='accounts_notification_open'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('dedupe_key', 'channel'), name='notification_once_a_channel'),
        ),
    ]
