-- Whatever gives a purchase its tickets, or takes it out of a raffle that is not frozen, writes the leaf of the log in
-- the same transaction. Once frozen, nobody leaves the draw that the log is committed for.
CREATE OR REPLACE FUNCTION entries_are_logged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' AND NEW.status = 'paid' THEN
        INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at) VALUES (
            NEW.raffle_id, NEW.entry_id, 1, NEW.first_ticket, NEW.quantity, NEW.holder,
            floor(extract(epoch FROM NEW.paid_at)));
    ELSIF NOT EXISTS (SELECT FROM raffles_raffle WHERE id = OLD.raffle_id AND frozen_at IS NOT NULL) THEN
        INSERT INTO verification_logleaf (raffle_id, entry_id, kind, a, b, x, at) VALUES (
            OLD.raffle_id, OLD.entry_id, 2, OLD.first_ticket, OLD.quantity, OLD.holder,
            floor(extract(epoch FROM clock_timestamp())));
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER entries_made_are_logged AFTER INSERT ON purchases_purchase
    FOR EACH ROW WHEN (NEW.status = 'paid') EXECUTE FUNCTION entries_are_logged();

CREATE OR REPLACE TRIGGER entries_are_logged AFTER UPDATE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND (OLD.status = 'paid' OR NEW.status = 'paid'))
    EXECUTE FUNCTION entries_are_logged();

CREATE OR REPLACE TRIGGER entries_deleted_are_logged AFTER DELETE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.status = 'paid') EXECUTE FUNCTION entries_are_logged();

-- What the log has of a purchase never changes, and a purchase that left its raffle never comes back.
CREATE OR REPLACE FUNCTION logged_entries_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an entry keeps what the log has of it, and never comes back once withdrawn'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER logged_entries_are_fixed BEFORE UPDATE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.first_ticket IS NOT NULL AND ((OLD.status <> 'paid' AND NEW.status = 'paid')
        OR ROW(OLD.raffle_id, OLD.entry_id, OLD.first_ticket, OLD.quantity, OLD.holder, OLD.paid_at)
        IS DISTINCT FROM ROW(NEW.raffle_id, NEW.entry_id, NEW.first_ticket, NEW.quantity, NEW.holder, NEW.paid_at)))
    EXECUTE FUNCTION logged_entries_are_fixed();

-- The log needs a time: an entry that is written without one is paid now.
CREATE OR REPLACE FUNCTION entries_have_a_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.paid_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER entries_have_a_time BEFORE INSERT OR UPDATE ON purchases_purchase
    FOR EACH ROW WHEN (NEW.status = 'paid' AND NEW.paid_at IS NULL) EXECUTE FUNCTION entries_have_a_time();
