"""The entries of a frozen raffle are fixed: the database refuses to pay, refund, renumber, add or remove one."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION frozen_entries_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER frozen_entries_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON purchases_purchase
    FOR EACH ROW EXECUTE FUNCTION frozen_entries_are_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("purchases", "0001_initial"), ("raffles", "0002_guards")]
    operations = [
        migrations.RunSQL(
            FORWARD,
            "DROP TRIGGER frozen_entries_are_fixed ON purchases_purchase; DROP FUNCTION frozen_entries_are_fixed();",
        )
    ]
