"""Closes two gaps: a NULL number let a paid purchase through the check, and inserts and deletes passed the frozen draw."""

from django.db import migrations, models
from django.db.models import Q

FORWARD = """
CREATE OR REPLACE FUNCTION frozen_entries_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before purchases_purchase := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD END;
    after purchases_purchase := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW END;
BEGIN
    IF (before.status = 'paid' OR after.status = 'paid')
       AND ROW(before.status, before.entry_id, before.first_ticket, before.quantity, before.raffle_id)
           IS DISTINCT FROM ROW(after.status, after.entry_id, after.first_ticket, after.quantity, after.raffle_id)
       AND EXISTS (SELECT FROM raffles_raffle WHERE id IN (before.raffle_id, after.raffle_id) AND frozen_at IS NOT NULL)
    THEN RAISE EXCEPTION 'the entries of a frozen raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
END $$;
CREATE OR REPLACE TRIGGER frozen_entries_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON purchases_purchase
    FOR EACH ROW EXECUTE FUNCTION frozen_entries_are_fixed();
"""
# The function serves the former trigger as well.
REVERSE = """
CREATE OR REPLACE TRIGGER frozen_entries_are_fixed BEFORE UPDATE ON purchases_purchase
    FOR EACH ROW EXECUTE FUNCTION frozen_entries_are_fixed();
"""
HAS_NUMBERS = ~Q(status="paid") | Q(first_ticket__isnull=False, first_ticket__gte=1)


class Migration(migrations.Migration):
    dependencies = [("purchases", "0002_frozen_entries")]
    operations = [
        migrations.RunSQL(FORWARD, REVERSE),
        migrations.RemoveConstraint("purchase", "purchase_paid_has_numbers"),
        migrations.AddConstraint(
            "purchase", models.CheckConstraint(condition=HAS_NUMBERS, name="purchase_paid_has_numbers")
        ),
    ]
