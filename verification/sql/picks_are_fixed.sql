-- A pick never changes. It is deleted only with the decision that made it, if the chain undid that.
CREATE OR REPLACE FUNCTION picks_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM verification_draw WHERE raffle_id = OLD.draw_id AND state IN ('committed', 'frozen') AND seed = '')
    THEN RETURN OLD; END IF;
    RAISE EXCEPTION 'picks are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER picks_are_fixed BEFORE UPDATE OR DELETE ON verification_pick
    FOR EACH ROW EXECUTE FUNCTION picks_are_fixed();
