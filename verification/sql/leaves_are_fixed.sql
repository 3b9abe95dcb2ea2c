-- A leaf comes without a place and with the hash of what it says; then only its place is written, once. An outcome is
-- one of a pick of the raffle.
CREATE OR REPLACE FUNCTION leaves_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.index IS NULL AND (NEW.kind < 3 OR EXISTS (
        SELECT FROM verification_pick pick JOIN purchases_purchase purchase ON purchase.id = pick.purchase_id
        WHERE pick.draw_id = NEW.raffle_id AND pick.position = NEW.a AND purchase.entry_id = NEW.entry_id))
    THEN
        NEW.hash := sha256('\x00'::bytea || substring(int2send(NEW.kind) FROM 2) || uuid_send(NEW.entry_id)
            || int8send(NEW.a) || int8send(NEW.b) || NEW.x || int8send(NEW.at));
        RETURN NEW;
    ELSIF TG_OP = 'UPDATE' AND OLD.index IS NULL AND NEW.index IS NOT NULL
       AND ROW(OLD.id, OLD.raffle_id, OLD.entry_id, OLD.kind, OLD.a, OLD.b, OLD.x, OLD.at, OLD.hash)
           IS NOT DISTINCT FROM ROW(NEW.id, NEW.raffle_id, NEW.entry_id, NEW.kind, NEW.a, NEW.b, NEW.x, NEW.at, NEW.hash)
    THEN RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the log only grows: a leaf is written once and gets its place once'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER leaves_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON verification_logleaf
    FOR EACH ROW EXECUTE FUNCTION leaves_are_fixed();

ALTER TABLE verification_logleaf ADD CONSTRAINT log_leaf_x_size CHECK (length(x) = 32);
