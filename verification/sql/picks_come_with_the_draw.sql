-- Picks are written by the step that draws, and by no other.
CREATE OR REPLACE FUNCTION picks_come_with_the_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM verification_draw draw JOIN raffles_raffle raffle ON raffle.id = draw.raffle_id
               WHERE draw.raffle_id = NEW.draw_id AND draw.state = 'drawn' AND raffle.drawn_at IS NULL)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'picks are fixed: they come with the draw and never after it'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER picks_come_with_the_draw BEFORE INSERT ON verification_pick
    FOR EACH ROW EXECUTE FUNCTION picks_come_with_the_draw();
