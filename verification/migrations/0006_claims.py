"""Claims to prizes, and how long their addresses and documents are kept at first."""

import django.db.models.deletion
import django.db.models.functions.datetime
import luxewin.lines
from django.db import migrations, models

WHY = "GDPR Art. 6(1)(b) and (f): to deliver a prize, to prove that its winner was entitled to it and got it."


def seed(apps, schema_editor):
    apps.get_model("accounts", "RetentionRule").objects.create(what="claims", keep_days=180, why=WHY)


class Migration(migrations.Migration):

    dependencies = [
        ('verification', '0005_winners'),
        ('accounts', '0010_digests'),
    ]

    operations = [
        migrations.CreateModel(
            name='Claim',
            fields=[
                ('award', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='claim', serialize=False, to='verification.award')),
                ('takes', models.CharField(choices=[('prize', 'The prize'), ('cash', 'Its cash alternative')], max_length=5)),
                ('status', models.CharField(choices=[('accepted', 'Accepted'), ('documents_wanted', 'Documents wanted'), ('checked', 'Checked'), ('dispatched', 'Dispatched'), ('delivered', 'Delivered')], default='accepted', max_length=16)),
                ('sealed_address', models.TextField(blank=True, editable=False, help_text='JSON, encrypted; empty once erased.')),
                ('wanted', luxewin.lines.LineField(blank=True, max_length=200, verbose_name='documents wanted')),
                ('carrier', luxewin.lines.LineField(blank=True, max_length=80)),
                ('tracking', luxewin.lines.LineField(blank=True, max_length=120, verbose_name='tracking number')),
                ('accepted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('dispatched_at', models.DateTimeField(null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['-accepted_at'],
                'permissions': [('handle_claim', 'Can check claims and dispatch prizes')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('status', 'dispatched'), _negated=True), ('dispatched_at__isnull', False), _connector='OR'), name='claim_dispatched'), models.CheckConstraint(condition=models.Q(models.Q(('delivered_at__isnull', False), ('status', 'delivered')), models.Q(models.Q(('status', 'delivered'), _negated=True), ('delivered_at', None)), _connector='OR'), name='claim_delivered')],
            },
        ),
        migrations.CreateModel(
            name='ClaimDocument',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('media', models.CharField(choices=[('image/jpeg', 'JPEG'), ('image/png', 'PNG'), ('application/pdf', 'PDF')], max_length=15, verbose_name='type')),
                ('size', models.PositiveIntegerField(help_text='In bytes.')),
                ('digest', models.BinaryField(max_length=32, verbose_name='SHA-256')),
                ('sealed_content', models.TextField(editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='sent at')),
                ('claim', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='documents', to='verification.claim')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(fields=('claim', 'digest'), name='claim_document_once')],
            },
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
