"""Fewer indexes to write with every hold, and the guard of frozen entries called only where an entry is."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


GUARD = """
DROP TRIGGER frozen_entries_are_fixed ON purchases_purchase;
CREATE TRIGGER frozen_entries_are_all BEFORE INSERT ON purchases_purchase
    FOR EACH ROW WHEN (NEW.status = 'paid') EXECUTE FUNCTION frozen_entries_are_fixed();
CREATE TRIGGER frozen_entries_are_fixed BEFORE UPDATE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.status = 'paid' OR NEW.status = 'paid') EXECUTE FUNCTION frozen_entries_are_fixed();
CREATE TRIGGER frozen_entries_are_kept BEFORE DELETE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.status = 'paid') EXECUTE FUNCTION frozen_entries_are_fixed();
"""
BACK = """
DROP TRIGGER frozen_entries_are_all ON purchases_purchase;
DROP TRIGGER frozen_entries_are_fixed ON purchases_purchase;
DROP TRIGGER frozen_entries_are_kept ON purchases_purchase;
CREATE TRIGGER frozen_entries_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON purchases_purchase
    FOR EACH ROW EXECUTE FUNCTION frozen_entries_are_fixed();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0005_missed_news'),
        ('raffles', '0004_question_is_a_term'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Taking an index from a foreign key, Django takes a partial unique one on the same column as well.
        migrations.RemoveConstraint(model_name="payment", name="payment_one_live_attempt"),
        migrations.AlterField(
            model_name='payment',
            name='intent_id',
            field=models.CharField(max_length=255, null=True),
        ),
        migrations.AlterField(
            model_name='payment',
            name='purchase',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='purchases.purchase'),
        ),
        migrations.AlterField(
            model_name='persontally',
            name='raffle',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='raffles.raffle'),
        ),
        migrations.AlterField(
            model_name='purchase',
            name='buyer',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='purchases', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='purchase',
            name='raffle',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='purchases', to='raffles.raffle'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('intent_id',), name='payment_intent_once'),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                fields=("purchase",),
                condition=models.Q(("status__in", ["started", "open", "processing"])),
                name="payment_one_live_attempt",
            ),
        ),
        migrations.RunSQL(GUARD, BACK),
    ]
