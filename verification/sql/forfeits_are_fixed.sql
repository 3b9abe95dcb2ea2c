-- A forfeit is written once, for a pick whose prize was not handed over, of a draw that is over, and never changes.
CREATE OR REPLACE FUNCTION forfeits_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'forfeits are fixed' USING ERRCODE = 'integrity_constraint_violation';
    ELSIF EXISTS (SELECT FROM verification_award WHERE pick_id = NEW.pick_id AND claimed_at IS NOT NULL)
       OR NOT EXISTS (SELECT FROM verification_pick pick JOIN verification_draw draw ON draw.raffle_id = pick.draw_id
                      WHERE pick.id = NEW.pick_id
                        AND (draw.state = 'settled' OR draw.state = 'drawn' AND draw.contract_id IS NULL))
    THEN
        RAISE EXCEPTION 'only a pick of a draw that is over, whose prize was not handed over can be forfeited'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER forfeits_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON verification_forfeit
    FOR EACH ROW EXECUTE FUNCTION forfeits_are_fixed();
