-- A draw begins as a promise, with the next number.
CREATE OR REPLACE FUNCTION draws_begin_as_promises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'promised' AND NEW.root = '' AND NEW.log_root = '' AND NEW.commitment = '' AND NEW.signature = '' AND NEW.randomness = '' AND NEW.seed = ''
       AND num_nonnulls(NEW.tickets, NEW.entries, NEW.log_size, NEW.committed_at, NEW.round, NEW.void_declared_at) = 0
       AND NEW.sequence = (SELECT last FROM verification_drawsequence)
       AND (EXISTS (SELECT FROM verification_draw WHERE sequence = NEW.sequence - 1)
            OR NOT EXISTS (SELECT FROM verification_draw))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a draw begins as a promise, under the number after the last'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER draws_begin_as_promises BEFORE INSERT ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draws_begin_as_promises();
