-- When a raffle last changed. A claim of background work is no change, and generated columns follow the others.
CREATE OR REPLACE FUNCTION raffle_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    beside CONSTANT text[] := '{claimed_until, updated_at, listing, search_text}';
BEGIN
    IF to_jsonb(NEW) - beside <> to_jsonb(OLD) - beside THEN
        NEW.updated_at := statement_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER updated_at_follows BEFORE UPDATE ON raffles_raffle
    FOR EACH ROW EXECUTE FUNCTION raffle_updated_at();
