"""What was left open to whoever writes: draws that go back, further picks, gaps in the numbers, and emptied tables."""

from django.db import migrations

# As in 0002, and the randomness with the seed; but until the draw is decided, the moment of its commitment, and with it
# the round, follow the chain.
PROMISES = """
CREATE OR REPLACE FUNCTION draw_promises_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
       AND ROW(OLD.raffle_id, OLD.sequence, OLD.manifest, OLD.manifest_hash, OLD.contract_id)
           IS NOT DISTINCT FROM ROW(NEW.raffle_id, NEW.sequence, NEW.manifest, NEW.manifest_hash, NEW.contract_id)
       AND (OLD.root = '' OR (
           ROW(OLD.root, OLD.tickets, OLD.entries) IS NOT DISTINCT FROM ROW(NEW.root, NEW.tickets, NEW.entries)
           AND (ROW(OLD.committed_at, OLD.round) IS NOT DISTINCT FROM ROW(NEW.committed_at, NEW.round)
               OR (OLD.contract_id IS NOT NULL AND OLD.state = 'committed' AND NEW.state = 'committed'
                   AND OLD.seed = '' AND NEW.seed = ''))))
       AND (OLD.seed = '' OR ROW(OLD.seed, OLD.signature, OLD.randomness)
           IS NOT DISTINCT FROM ROW(NEW.seed, NEW.signature, NEW.randomness))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'what a draw promised or decided is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
FORMER_PROMISES = """
CREATE OR REPLACE FUNCTION draw_promises_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""
# Ways into and out of `void` are the matter of voids_are_declared (0006).
STEPS = """
CREATE FUNCTION draws_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    IF OLD.state <> NEW.state AND 'void' NOT IN (OLD.state, NEW.state) AND (OLD.state, NEW.state) NOT IN (
        ('promised', 'announced'), ('announced', 'frozen'), ('frozen', 'committed'), ('committed', 'drawn'),
        ('drawn', 'settled'))
    THEN
        wrong := 'a draw takes one step after the other, and none back';
    ELSIF (OLD.root = '' AND NEW.root <> '') <> (OLD.state = 'frozen' AND NEW.state = 'committed')
       OR num_nonnulls(NEW.tickets, NEW.entries, NEW.committed_at, NEW.round) <> 4 * (NEW.root <> '')::int
    THEN
        wrong := 'root, tickets, entries, time and round are set by the step that commits';
    ELSIF (OLD.seed = '' AND NEW.seed <> '') <> (OLD.state = 'committed' AND NEW.state = 'drawn')
       OR (NEW.seed = '') <> (NEW.signature = '') OR (NEW.seed = '') <> (NEW.randomness = '')
    THEN
        wrong := 'signature, randomness and seed are set by the step that draws';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER draws_go_forward BEFORE UPDATE ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draws_go_forward();

CREATE FUNCTION draws_begin_as_promises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'promised' AND NEW.root = '' AND NEW.signature = '' AND NEW.randomness = '' AND NEW.seed = ''
       AND num_nonnulls(NEW.tickets, NEW.entries, NEW.committed_at, NEW.round, NEW.void_declared_at) = 0
       AND NEW.sequence = (SELECT last FROM verification_drawsequence)
       AND (EXISTS (SELECT FROM verification_draw WHERE sequence = NEW.sequence - 1)
            OR NOT EXISTS (SELECT FROM verification_draw))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a draw begins as a promise, under the number after the last'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER draws_begin_as_promises BEFORE INSERT ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draws_begin_as_promises();

CREATE FUNCTION draws_are_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.last = OLD.last + 1 THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'draws are counted one by one' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER draws_are_counted BEFORE UPDATE OR DELETE ON verification_drawsequence
    FOR EACH ROW EXECUTE FUNCTION draws_are_counted();
"""
NO_STEPS = """
DROP TRIGGER draws_are_counted ON verification_drawsequence; DROP FUNCTION draws_are_counted();
DROP TRIGGER draws_begin_as_promises ON verification_draw; DROP FUNCTION draws_begin_as_promises();
DROP TRIGGER draws_go_forward ON verification_draw; DROP FUNCTION draws_go_forward();
"""
# The step that draws writes the picks after the draw's state and before the raffle's `drawn_at`, in one transaction.
PICKS = """
CREATE FUNCTION picks_come_with_the_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM verification_draw draw JOIN raffles_raffle raffle ON raffle.id = draw.raffle_id
               WHERE draw.raffle_id = NEW.draw_id AND draw.state = 'drawn' AND raffle.drawn_at IS NULL)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'picks are fixed: they come with the draw and never after it'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER picks_come_with_the_draw BEFORE INSERT ON verification_pick
    FOR EACH ROW EXECUTE FUNCTION picks_come_with_the_draw();
"""
NO_PICKS = "DROP TRIGGER picks_come_with_the_draw ON verification_pick; DROP FUNCTION picks_come_with_the_draw();"
KEPT = (
    *("verification_draw", "verification_drawsequence", "verification_pick", "verification_entriesindex"),
    *("verification_forfeit", "verification_award", "purchases_purchase"),
)
NEVER_EMPTIED = """
CREATE FUNCTION is_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
""" + "".join(
    f"CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();"
    for table in KEPT
)
EMPTIED = (
    "".join(f"DROP TRIGGER is_never_emptied ON {table};" for table in KEPT) + "DROP FUNCTION is_never_emptied();"
)


class Migration(migrations.Migration):
    dependencies = [("purchases", "0009_void_raffles"), ("verification", "0006_void_draws")]
    operations = [
        migrations.RunSQL(PROMISES, FORMER_PROMISES),
        migrations.RunSQL(STEPS, NO_STEPS),
        migrations.RunSQL(PICKS, NO_PICKS),
        migrations.RunSQL(NEVER_EMPTIED, EMPTIED),
    ]
