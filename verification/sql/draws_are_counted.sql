-- The sequence of draws has no gaps and never goes back.
CREATE OR REPLACE FUNCTION draws_are_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.last = OLD.last + 1 THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'draws are counted one by one' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER draws_are_counted BEFORE UPDATE OR DELETE ON verification_drawsequence
    FOR EACH ROW EXECUTE FUNCTION draws_are_counted();
