-- Published terms, their acceptances and past country rules cannot be changed. TRUNCATE passes the triggers of rows, and is
-- refused apart.
CREATE OR REPLACE FUNCTION published_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'published terms, and that they were accepted, are fixed'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER country_rules_are_fixed BEFORE UPDATE OR DELETE ON accounts_countryrule FOR EACH ROW
    WHEN (OLD.effective_from <= statement_timestamp()) EXECUTE FUNCTION published_terms_are_fixed();

CREATE OR REPLACE TRIGGER published_terms_are_fixed BEFORE UPDATE OR DELETE ON accounts_terms
    FOR EACH ROW EXECUTE FUNCTION published_terms_are_fixed();

CREATE OR REPLACE TRIGGER acceptances_are_fixed BEFORE UPDATE ON accounts_termsacceptance FOR EACH ROW
    WHEN (ROW(OLD.id, OLD.user_id, OLD.terms_id, OLD.at) IS DISTINCT FROM ROW(NEW.id, NEW.user_id, NEW.terms_id, NEW.at)
          OR (NEW.address IS NOT NULL AND NEW.address IS DISTINCT FROM OLD.address))
    EXECUTE FUNCTION published_terms_are_fixed();

CREATE OR REPLACE TRIGGER acceptances_are_kept BEFORE DELETE ON accounts_termsacceptance
    FOR EACH ROW EXECUTE FUNCTION published_terms_are_fixed();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON accounts_countryrule
    FOR EACH STATEMENT EXECUTE FUNCTION published_terms_are_fixed();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON accounts_terms
    FOR EACH STATEMENT EXECUTE FUNCTION published_terms_are_fixed();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON accounts_termsacceptance
    FOR EACH STATEMENT EXECUTE FUNCTION published_terms_are_fixed();
