-- An undone decision repeats what the draw had decided, and stays public for ever.
CREATE OR REPLACE FUNCTION undone_decisions_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (
        SELECT FROM verification_draw draw
        WHERE draw.raffle_id = NEW.draw_id AND draw.state = 'drawn' AND draw.contract_id IS NOT NULL
          AND ROW(draw.committed_at, draw.round, draw.signature, draw.seed)
              = ROW(NEW.committed_at, NEW.round, NEW.signature, NEW.seed)
          AND NEW.picks = (
              SELECT jsonb_agg(jsonb_build_object('position', position, 'ticket', ticket) ORDER BY position)
              FROM verification_pick WHERE draw_id = NEW.draw_id))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'an undone decision is what the draw had decided, and is fixed'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER undone_decisions_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON verification_undonedecision
    FOR EACH ROW EXECUTE FUNCTION undone_decisions_are_fixed();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_undonedecision
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();
