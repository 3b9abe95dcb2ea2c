-- The states of a draw go forward, one at a time. Only what the chain undid goes back, as draw_promises_are_fixed allows: a
-- decision to its commitment, and both to the frozen entries.
CREATE OR REPLACE FUNCTION draws_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    IF OLD.state <> NEW.state AND 'void' NOT IN (OLD.state, NEW.state) AND (OLD.state, NEW.state) NOT IN (
        ('promised', 'announced'), ('announced', 'frozen'), ('frozen', 'committed'), ('committed', 'drawn'),
        ('drawn', 'settled'), ('drawn', 'committed'), ('committed', 'frozen'), ('drawn', 'frozen'))
    THEN
        wrong := 'a draw takes one step after the other, and none back';
    ELSIF (OLD.root = '' AND NEW.root <> '' AND NOT (OLD.state = 'frozen' AND NEW.state = 'frozen'))
       OR num_nonnulls(NEW.tickets, NEW.entries, NEW.log_size) <> 3 * (NEW.root <> '')::int
       OR (NEW.log_root = '') <> (NEW.root = '') OR (NEW.commitment = '') <> (NEW.root = '')
    THEN
        wrong := 'roots, sizes and commitment are set at once, of frozen entries';
    ELSIF (OLD.committed_at IS NULL AND NEW.committed_at IS NOT NULL)
          <> (OLD.state = 'frozen' AND NEW.state = 'committed')
       OR (OLD.committed_at IS NOT NULL AND NEW.committed_at IS NULL)
          <> (OLD.state IN ('committed', 'drawn') AND NEW.state = 'frozen')
       OR num_nonnulls(NEW.committed_at, NEW.round) NOT IN (0, 2) OR (NEW.committed_at IS NOT NULL AND NEW.root = '')
    THEN
        wrong := 'time and round are set by the step that commits what is public';
    ELSIF (OLD.seed = '' AND NEW.seed <> '') <> (OLD.state = 'committed' AND NEW.state = 'drawn')
       OR (OLD.seed <> '' AND NEW.seed = '') <> (OLD.state = 'drawn' AND NEW.state IN ('committed', 'frozen'))
       OR (NEW.seed = '') <> (NEW.signature = '') OR (NEW.seed = '') <> (NEW.randomness = '')
    THEN
        wrong := 'signature, randomness and seed are set by the step that draws';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER draws_go_forward BEFORE UPDATE ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draws_go_forward();
