-- A pause or an exclusion in force cannot be shortened, reassigned or deleted, and their table not be emptied.
CREATE OR REPLACE FUNCTION safeguards_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment CONSTANT timestamptz := statement_timestamp();
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'pauses and exclusions are not emptied' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.excluded_forever OR OLD.excluded_until > moment OR OLD.paused_until > moment) AND (
        TG_OP = 'DELETE' OR NEW.user_id <> OLD.user_id OR (OLD.excluded_forever AND NOT NEW.excluded_forever)
        OR (OLD.excluded_until > moment AND coalesce(NEW.excluded_until < OLD.excluded_until, true))
        OR (OLD.paused_until > moment AND coalesce(NEW.paused_until < OLD.paused_until, true))
    ) THEN
        RAISE EXCEPTION 'a pause or an exclusion in force is not shortened'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE OR REPLACE TRIGGER safeguards_are_kept BEFORE UPDATE OR DELETE ON accounts_safeguards
    FOR EACH ROW EXECUTE FUNCTION safeguards_are_kept();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON accounts_safeguards
    FOR EACH STATEMENT EXECUTE FUNCTION safeguards_are_kept();
