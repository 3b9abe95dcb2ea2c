-- What a draw promised or decided is fixed, and it is never deleted.
CREATE OR REPLACE FUNCTION draw_promises_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
       AND ROW(OLD.raffle_id, OLD.sequence, OLD.manifest, OLD.manifest_hash, OLD.receipt_key, OLD.contract_id)
           IS NOT DISTINCT FROM
           ROW(NEW.raffle_id, NEW.sequence, NEW.manifest, NEW.manifest_hash, NEW.receipt_key, NEW.contract_id)
       AND (OLD.root = '' OR (
           ROW(OLD.root, OLD.tickets, OLD.entries, OLD.log_root, OLD.log_size, OLD.commitment)
           IS NOT DISTINCT FROM ROW(NEW.root, NEW.tickets, NEW.entries, NEW.log_root, NEW.log_size, NEW.commitment)))
       AND (OLD.committed_at IS NULL
           OR ROW(OLD.committed_at, OLD.round) IS NOT DISTINCT FROM ROW(NEW.committed_at, NEW.round)
           OR (OLD.contract_id IS NOT NULL AND OLD.state = 'committed' AND NEW.state = 'committed'
               AND OLD.seed = '' AND NEW.seed = ''))
       AND (OLD.seed = '' OR ROW(OLD.seed, OLD.signature, OLD.randomness)
           IS NOT DISTINCT FROM ROW(NEW.seed, NEW.signature, NEW.randomness))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'what a draw promised or decided is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER draw_promises_are_fixed BEFORE UPDATE OR DELETE ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draw_promises_are_fixed();
