-- A log only grows, and what the commitment covers is fixed once it was counted.
CREATE OR REPLACE FUNCTION log_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.raffle_id = OLD.raffle_id AND NEW.size >= OLD.size AND NEW.signed_size >= OLD.signed_size
       AND (OLD.entries_size IS NULL OR NEW.entries_size IS NOT DISTINCT FROM OLD.entries_size)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a log only grows' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER log_goes_forward BEFORE UPDATE OR DELETE ON verification_log
    FOR EACH ROW EXECUTE FUNCTION log_goes_forward();

CREATE OR REPLACE FUNCTION log_blocks_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'blocks of a log are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER log_blocks_are_fixed BEFORE UPDATE OR DELETE ON verification_logblock
    FOR EACH ROW EXECUTE FUNCTION log_blocks_are_fixed();

-- Heads go forward in size and time, cover leaves that have their place, and none of these is later than the head.
CREATE OR REPLACE FUNCTION heads_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last verification_loghead;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO last FROM verification_loghead WHERE log_id = NEW.log_id ORDER BY size DESC LIMIT 1;
        IF NEW.size > coalesce(last.size, 0) AND NEW.at >= coalesce(last.at, 0)
           AND NEW.size <= (SELECT size FROM verification_log WHERE raffle_id = NEW.log_id)
           AND NOT EXISTS (SELECT FROM verification_logleaf WHERE raffle_id = NEW.log_id
                           AND index >= coalesce(last.size, 0) AND index < NEW.size AND at > NEW.at)
        THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'heads go forward, and are never changed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER heads_go_forward BEFORE INSERT OR UPDATE OR DELETE ON verification_loghead
    FOR EACH ROW EXECUTE FUNCTION heads_go_forward();
