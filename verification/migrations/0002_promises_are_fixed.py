"""A manifest never changes once it is promised, and a draw that is decided is decided."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION draw_promises_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
       AND ROW(OLD.raffle_id, OLD.sequence, OLD.manifest, OLD.manifest_hash, OLD.contract_id)
           IS NOT DISTINCT FROM ROW(NEW.raffle_id, NEW.sequence, NEW.manifest, NEW.manifest_hash, NEW.contract_id)
       AND (OLD.root = '' OR ROW(OLD.root, OLD.tickets, OLD.entries, OLD.committed_at, OLD.round)
           IS NOT DISTINCT FROM ROW(NEW.root, NEW.tickets, NEW.entries, NEW.committed_at, NEW.round))
       AND (OLD.seed = '' OR ROW(OLD.seed, OLD.signature) IS NOT DISTINCT FROM ROW(NEW.seed, NEW.signature))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'what a draw promised or decided is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER draw_promises_are_fixed BEFORE UPDATE OR DELETE ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draw_promises_are_fixed();

CREATE FUNCTION picks_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'picks are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER picks_are_fixed BEFORE UPDATE OR DELETE ON verification_pick
    FOR EACH ROW EXECUTE FUNCTION picks_are_fixed();
"""
REVERSE = """
DROP TRIGGER picks_are_fixed ON verification_pick; DROP FUNCTION picks_are_fixed();
DROP TRIGGER draw_promises_are_fixed ON verification_draw; DROP FUNCTION draw_promises_are_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("verification", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, REVERSE)]
