"""What the database guards by itself: hot updates of the counter, and the terms of a published raffle."""

from django.db import migrations

COUNTER = "ALTER TABLE raffles_ticketcounter SET (fillfactor = 50)"
TERMS = (
    *("slug", "title", "ticket_price", "currency", "capacity", "max_per_person", "min_tickets"),
    *("alternates", "opens_at", "closes_at", "delay_seconds", "published_at"),
)
OLD, NEW = (", ".join(f"{row}.{column}" for column in TERMS) for row in ("OLD", "NEW"))
FORWARD = f"""
CREATE FUNCTION raffle_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status = 'draft' THEN RETURN OLD; END IF;
    ELSIF OLD.status = 'draft' OR (ROW({OLD}) IS NOT DISTINCT FROM ROW({NEW}) AND NEW.status <> 'draft') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the terms of a published raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER raffle_terms_are_fixed BEFORE UPDATE OR DELETE ON raffles_raffle
    FOR EACH ROW EXECUTE FUNCTION raffle_terms_are_fixed();

CREATE FUNCTION prizes_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row raffles_prize := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    IF EXISTS (SELECT FROM raffles_raffle WHERE id = row.raffle_id AND status <> 'draft') THEN
        RAISE EXCEPTION 'the prizes of a published raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN row;
END $$;
CREATE TRIGGER prizes_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON raffles_prize
    FOR EACH ROW EXECUTE FUNCTION prizes_are_fixed();
"""
REVERSE = """
DROP TRIGGER prizes_are_fixed ON raffles_prize; DROP FUNCTION prizes_are_fixed();
DROP TRIGGER raffle_terms_are_fixed ON raffles_raffle; DROP FUNCTION raffle_terms_are_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("raffles", "0001_initial")]
    operations = [
        migrations.RunSQL(COUNTER, "ALTER TABLE raffles_ticketcounter RESET (fillfactor)"),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
