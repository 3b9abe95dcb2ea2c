-- A pick never changes.
CREATE OR REPLACE FUNCTION picks_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'picks are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER picks_are_fixed BEFORE UPDATE OR DELETE ON verification_pick
    FOR EACH ROW EXECUTE FUNCTION picks_are_fixed();
