-- A frozen raffle is drawn when its draw is, until the chain undoes that, and cancelled when its draw is void.
CREATE OR REPLACE FUNCTION frozen_raffles_end_with_their_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.frozen_at IS NULL OR NEW.frozen_at IS NOT DISTINCT FROM OLD.frozen_at)
       AND (OLD.drawn_at IS NULL OR NEW.drawn_at IS NOT DISTINCT FROM OLD.drawn_at
            OR (NEW.drawn_at IS NULL
                AND EXISTS (
                    SELECT FROM verification_draw WHERE raffle_id = NEW.id AND state IN ('committed', 'frozen'))))
       AND (NEW.status <> 'cancelled' OR OLD.status = 'cancelled' OR OLD.frozen_at IS NULL
            OR (NEW.drawn_at IS NULL
                AND EXISTS (SELECT FROM verification_draw WHERE raffle_id = NEW.id AND state = 'void')))
       AND (NEW.status = 'cancelled' OR OLD.status <> 'cancelled')
       AND (NEW.status <> 'cancelled' OR NEW.drawn_at IS NULL)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a frozen raffle is drawn, or cancelled with a void draw, and stays so'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER frozen_raffles_end_with_their_draw BEFORE UPDATE OF status, frozen_at, drawn_at
    ON raffles_raffle
    FOR EACH ROW EXECUTE FUNCTION frozen_raffles_end_with_their_draw();
