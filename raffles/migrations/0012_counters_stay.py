"""The counter of what was sold stays, and stays as it is from the moment the entries are frozen."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER counters_are_kept BEFORE DELETE ON raffles_ticketcounter FOR EACH ROW
    EXECUTE FUNCTION is_fixed_once_public('the ticket counter of a raffle is kept');
CREATE FUNCTION frozen_sales_are_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM raffles_raffle WHERE id = NEW.raffle_id AND frozen_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the entries of this raffle are frozen' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER frozen_sales_are_over BEFORE UPDATE OF sold, postal ON raffles_ticketcounter FOR EACH ROW
    WHEN (ROW(NEW.sold, NEW.postal) IS DISTINCT FROM ROW(OLD.sold, OLD.postal))
    EXECUTE FUNCTION frozen_sales_are_over();
"""
REVERSE = """
DROP TRIGGER frozen_sales_are_over ON raffles_ticketcounter;
DROP FUNCTION frozen_sales_are_over();
DROP TRIGGER counters_are_kept ON raffles_ticketcounter;
"""


class Migration(migrations.Migration):
    dependencies = [("raffles", "0011_debit_percent")]
    operations = [migrations.RunSQL(FORWARD, REVERSE)]
