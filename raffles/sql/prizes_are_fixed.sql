-- The prizes of a published raffle are fixed; a prize that is moved belongs to both raffles.
CREATE OR REPLACE FUNCTION prizes_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before raffles_prize := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD END;
    after raffles_prize := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW END;
BEGIN
    IF EXISTS (SELECT FROM raffles_raffle WHERE id IN (before.raffle_id, after.raffle_id) AND status <> 'draft') THEN
        RAISE EXCEPTION 'the prizes of a published raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
END $$;

CREATE OR REPLACE TRIGGER prizes_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON raffles_prize
    FOR EACH ROW EXECUTE FUNCTION prizes_are_fixed();
