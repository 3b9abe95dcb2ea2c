"""Several attempts to pay a purchase, refunds of payments, disputes, free entries, answers to questions."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0002_frozen_entries'),
        ('raffles', '0003_question_and_postal_count'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Dispute',
            fields=[
                ('stripe_id', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('status', models.CharField(help_text="Stripe's word, for example needs_response, won, lost.", max_length=40)),
                ('reason', models.CharField(max_length=80)),
                ('amount', models.PositiveBigIntegerField(help_text="In the currency's minor unit.")),
                ('currency', models.CharField(max_length=3)),
                ('opened_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['-opened_at'],
            },
        ),
        migrations.CreateModel(
            name='PostalEntry',
            fields=[
                ('purchase', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='postal_entry', serialize=False, to='purchases.purchase')),
                ('reference', models.CharField(help_text='What staff wrote on the letter; once per raffle.', max_length=64)),
                ('received_on', models.DateField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'postal entries',
            },
        ),
        migrations.CreateModel(
            name='SkillAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('answer', models.CharField(max_length=200)),
                ('correct', models.BooleanField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AlterModelOptions(
            name='payment',
            options={'ordering': ['attempt']},
        ),
        migrations.RemoveIndex(
            model_name='purchase',
            name='purchase_pending',
        ),
        migrations.AddField(
            model_name='payment',
            name='attempt',
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='purchase',
            name='disputed_at',
            field=models.DateTimeField(help_text='When the cardholder first disputed the payment.', null=True),
        ),
        migrations.AddField(
            model_name='refund',
            name='attempt',
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='refund',
            name='payment',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refund', to='purchases.payment'),
        ),
        # A refund was of a purchase, which had one payment.
        migrations.RunSQL(
            "UPDATE purchases_refund SET payment_id = payment.id FROM purchases_payment AS payment"
            " WHERE payment.purchase_id = purchases_refund.purchase_id; SET CONSTRAINTS ALL IMMEDIATE",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name='refund',
            name='payment',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='refund', to='purchases.payment'),
        ),
        migrations.RemoveField(
            model_name='refund',
            name='purchase',
        ),
        migrations.AlterField(
            model_name='payment',
            name='purchase',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='purchases.purchase'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='status',
            field=models.CharField(choices=[('started', 'Started'), ('open', 'Open'), ('processing', 'Processing'), ('succeeded', 'Succeeded'), ('canceled', 'Canceled'), ('failed', 'Failed')], default='started', max_length=10),
        ),
        migrations.AlterField(
            model_name='purchase',
            name='status',
            field=models.CharField(choices=[('pending', 'Pending'), ('processing', 'Processing'), ('paid', 'Paid'), ('expired', 'Expired'), ('review', 'In review'), ('refunding', 'Being refunded'), ('refunded', 'Refunded'), ('void', 'Void')], default='pending', max_length=10),
        ),
        migrations.AddIndex(
            model_name='purchase',
            index=models.Index(condition=models.Q(('status__in', ['pending', 'processing'])), fields=['expires_at'], name='purchase_holding'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('purchase', 'attempt'), name='payment_attempt'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['started', 'open', 'processing'])), fields=('purchase',), name='payment_one_live_attempt'),
        ),
        migrations.AddField(
            model_name='dispute',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='purchases.payment'),
        ),
        migrations.AddField(
            model_name='postalentry',
            name='entered_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='postalentry',
            name='raffle',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='raffles.raffle'),
        ),
        migrations.AddField(
            model_name='skillattempt',
            name='raffle',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='raffles.raffle'),
        ),
        migrations.AddField(
            model_name='skillattempt',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='postalentry',
            constraint=models.UniqueConstraint(fields=('raffle', 'reference'), name='postal_reference_once'),
        ),
        migrations.AddIndex(
            model_name='skillattempt',
            index=models.Index(fields=['raffle', 'user'], name='skill_raffle_user'),
        ),
    ]
