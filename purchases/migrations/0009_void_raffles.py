"""The entries of a frozen raffle are fixed, but for one way out: everyone leaves a raffle whose draw is void."""

from importlib import import_module

from django.db import migrations

# A frozen raffle is only ever cancelled together with its draw, which a guard of the draws sees to.
GUARD = """
CREATE OR REPLACE FUNCTION frozen_entries_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before purchases_purchase := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD END;
    after purchases_purchase := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW END;
BEGIN
    IF (before.status = 'paid' OR after.status = 'paid')
       AND ROW(before.status, before.entry_id, before.first_ticket, before.quantity, before.raffle_id)
           IS DISTINCT FROM ROW(after.status, after.entry_id, after.first_ticket, after.quantity, after.raffle_id)
       AND EXISTS (SELECT FROM raffles_raffle WHERE id IN (before.raffle_id, after.raffle_id) AND frozen_at IS NOT NULL)
       AND NOT (TG_OP = 'UPDATE' AND before.status = 'paid' AND after.status IN ('refunding', 'void', 'review')
           AND ROW(before.entry_id, before.first_ticket, before.quantity, before.raffle_id)
               IS NOT DISTINCT FROM ROW(after.entry_id, after.first_ticket, after.quantity, after.raffle_id)
           AND EXISTS (SELECT FROM raffles_raffle
                       WHERE id = after.raffle_id AND status = 'cancelled' AND drawn_at IS NULL))
    THEN RAISE EXCEPTION 'the entries of a frozen raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
END $$;
"""
FORMER = import_module("purchases.migrations.0002_frozen_entries").FORWARD.partition("CREATE TRIGGER")[0]


class Migration(migrations.Migration):
    dependencies = [("purchases", "0008_sure_mirrors"), ("raffles", "0002_guards")]
    operations = [migrations.RunSQL(GUARD, FORMER.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))]
