"""What was left open to whoever writes: prizes that leave a published raffle, times once they are public, the counter."""

from importlib import import_module

from django.db import migrations

# A prize belongs to two raffles while it moves.
PRIZES = """
CREATE OR REPLACE FUNCTION prizes_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before raffles_prize := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD END;
    after raffles_prize := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW END;
BEGIN
    IF EXISTS (SELECT FROM raffles_raffle WHERE id IN (before.raffle_id, after.raffle_id) AND status <> 'draft') THEN
        RAISE EXCEPTION 'the prizes of a published raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
END $$;
"""
FORMER = import_module("raffles.migrations.0002_guards").FORWARD
FORMER_PRIZES = FORMER[FORMER.index("CREATE FUNCTION prizes_are_fixed") : FORMER.index("CREATE TRIGGER prizes_are_fixed")]
# Each condition looks at the row alone: a hold, which changes `held`, pays for a comparison.
FIXED = """
CREATE FUNCTION is_fixed_once_public() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER closings_are_fixed BEFORE UPDATE OF closed_at ON raffles_raffle FOR EACH ROW
    WHEN (NEW.closed_at IS DISTINCT FROM OLD.closed_at AND (OLD.closed_at IS NOT NULL OR OLD.frozen_at IS NOT NULL))
    EXECUTE FUNCTION is_fixed_once_public('the time of the closing is fixed');
CREATE TRIGGER cancellations_are_fixed BEFORE UPDATE OF cancelled_at, cancel_reason ON raffles_raffle FOR EACH ROW
    WHEN (OLD.status = 'cancelled' AND ROW(NEW.cancelled_at, NEW.cancel_reason)
        IS DISTINCT FROM ROW(OLD.cancelled_at, OLD.cancel_reason))
    EXECUTE FUNCTION is_fixed_once_public('time and reason of a cancellation are fixed');
CREATE TRIGGER capacities_are_fixed BEFORE UPDATE OF capacity, raffle_id ON raffles_ticketcounter FOR EACH ROW
    WHEN (ROW(NEW.capacity, NEW.raffle_id) IS DISTINCT FROM ROW(OLD.capacity, OLD.raffle_id))
    EXECUTE FUNCTION is_fixed_once_public('the capacity of a published raffle is fixed');
"""
REVERSE = """
DROP TRIGGER capacities_are_fixed ON raffles_ticketcounter;
DROP TRIGGER cancellations_are_fixed ON raffles_raffle;
DROP TRIGGER closings_are_fixed ON raffles_raffle;
DROP FUNCTION is_fixed_once_public();
"""


class Migration(migrations.Migration):
    dependencies = [("raffles", "0008_one_line")]
    operations = [
        migrations.RunSQL(PRIZES, FORMER_PRIZES.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")),
        migrations.RunSQL(FIXED, REVERSE),
    ]
