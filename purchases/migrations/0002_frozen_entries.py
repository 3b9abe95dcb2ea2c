"""The entries of a frozen raffle are fixed: the database refuses to pay, refund or renumber a purchase of it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION frozen_entries_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status = 'paid' OR NEW.status = 'paid')
       AND ROW(OLD.status, OLD.entry_id, OLD.first_ticket, OLD.quantity, OLD.raffle_id)
           IS DISTINCT FROM ROW(NEW.status, NEW.entry_id, NEW.first_ticket, NEW.quantity, NEW.raffle_id)
       AND EXISTS (SELECT FROM raffles_raffle WHERE id IN (OLD.raffle_id, NEW.raffle_id) AND frozen_at IS NOT NULL)
    THEN RAISE EXCEPTION 'the entries of a frozen raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER frozen_entries_are_fixed BEFORE UPDATE ON purchases_purchase
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
