-- An addition to a raffle's conditions belongs to a published raffle, has the date of its writing, and stays as it is.
CREATE OR REPLACE FUNCTION terms_addition_is_dated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM raffles_raffle WHERE id = NEW.raffle_id AND status = 'published') THEN
        RAISE EXCEPTION 'only a published raffle can have an addition'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.published_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION terms_additions_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'additions to the terms of a raffle are append-only'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER terms_addition_is_dated BEFORE INSERT ON raffles_termsaddition
    FOR EACH ROW EXECUTE FUNCTION terms_addition_is_dated();

CREATE OR REPLACE TRIGGER terms_additions_are_kept BEFORE UPDATE OR DELETE ON raffles_termsaddition
    FOR EACH ROW EXECUTE FUNCTION terms_additions_are_kept();

CREATE OR REPLACE TRIGGER terms_additions_are_never_emptied BEFORE TRUNCATE ON raffles_termsaddition
    FOR EACH STATEMENT EXECUTE FUNCTION terms_additions_are_kept();
