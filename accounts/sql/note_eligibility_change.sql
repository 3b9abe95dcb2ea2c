-- Note everybody whose eligibility to buy may have changed; a sweep then ends checkouts that no longer fit.
CREATE OR REPLACE FUNCTION note_eligibility_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounts_eligibilitychange (user_id, noted_at)
    VALUES ((to_jsonb(NEW) ->> TG_ARGV[0])::uuid, clock_timestamp())
    ON CONFLICT (user_id) DO UPDATE SET noted_at = EXCLUDED.noted_at, claimed_until = NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER note_eligibility_change AFTER INSERT OR UPDATE ON accounts_safeguards
    FOR EACH ROW EXECUTE FUNCTION note_eligibility_change('user_id');

CREATE OR REPLACE TRIGGER note_eligibility_change AFTER INSERT OR UPDATE ON accounts_spendlimit
    FOR EACH ROW EXECUTE FUNCTION note_eligibility_change('user_id');

CREATE OR REPLACE TRIGGER note_eligibility_change AFTER UPDATE OF date_of_birth, country, region, is_active, email, email_verified_at
    ON accounts_user FOR EACH ROW WHEN (
        ROW(OLD.date_of_birth, OLD.country, OLD.region, OLD.is_active, OLD.email, OLD.email_verified_at)
        IS DISTINCT FROM
        ROW(NEW.date_of_birth, NEW.country, NEW.region, NEW.is_active, NEW.email, NEW.email_verified_at)
    ) EXECUTE FUNCTION note_eligibility_change('id');
