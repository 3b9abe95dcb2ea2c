-- Prizes go to the picks in their order; an award changes only by being claimed or forfeited, and is deleted only with the
-- decision that made it, if the chain undid that.
CREATE OR REPLACE FUNCTION awards_follow_the_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.claimed_at IS NULL AND NEW.lost_at IS NULL
           AND NOT EXISTS (SELECT FROM verification_forfeit WHERE pick_id = NEW.pick_id)
           AND EXISTS (
               SELECT FROM verification_pick pick JOIN raffles_prize prize ON prize.raffle_id = pick.draw_id
               WHERE pick.id = NEW.pick_id AND prize.id = NEW.prize_id AND (pick.prize_id = prize.id
                   OR (is_next_alternate(pick)
                       AND EXISTS (SELECT FROM verification_award WHERE prize_id = prize.id AND lost_at IS NOT NULL))))
        THEN RETURN NEW; END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF ROW(OLD.id, OLD.pick_id, OLD.prize_id, OLD.at) IS NOT DISTINCT FROM ROW(NEW.id, NEW.pick_id, NEW.prize_id, NEW.at)
           AND OLD.claimed_at IS NULL AND OLD.lost_at IS NULL
           AND (NEW.claimed_at IS NULL) = EXISTS (SELECT FROM verification_forfeit WHERE pick_id = NEW.pick_id)
           AND (NEW.lost_at IS NULL) = (NEW.claimed_at IS NOT NULL)
        THEN RETURN NEW; END IF;
    ELSIF OLD.claimed_at IS NULL AND OLD.lost_at IS NULL AND EXISTS (
        SELECT FROM verification_pick pick JOIN verification_draw draw ON draw.raffle_id = pick.draw_id
        WHERE pick.id = OLD.pick_id AND draw.state IN ('committed', 'frozen') AND draw.seed = '')
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a prize goes to its winner, then to the next alternate; once claimed or lost it stays so'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER awards_follow_the_draw BEFORE INSERT OR UPDATE OR DELETE ON verification_award
    FOR EACH ROW EXECUTE FUNCTION awards_follow_the_draw();
