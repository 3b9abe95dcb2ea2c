-- Excluded people cannot consent to marketing.
CREATE OR REPLACE FUNCTION no_marketing_to_the_excluded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM accounts_safeguards AS g WHERE g.user_id = NEW.user_id
        AND (g.excluded_forever OR g.excluded_until > statement_timestamp())
    ) THEN
        RAISE EXCEPTION 'nobody who is excluded is marketed to' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER no_marketing_to_the_excluded BEFORE INSERT OR UPDATE ON accounts_preferences
    FOR EACH ROW WHEN (NEW.marketing_consent_at IS NOT NULL) EXECUTE FUNCTION no_marketing_to_the_excluded();
