-- A draw is void only after it was declared so, and after the delays.
CREATE OR REPLACE FUNCTION voids_are_declared() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    beacon jsonb := NEW.manifest::jsonb -> 'beacon';
    delay interval := make_interval(secs => NEW.void_after);
    commit_by timestamptz := (NEW.manifest::jsonb ->> 'closes_at')::timestamptz
        + make_interval(secs => (NEW.manifest::jsonb ->> 'commit_within_seconds')::integer);
    wrong text;
BEGIN
    IF NEW.void_after <> OLD.void_after OR (OLD.void_declared_at IS NOT NULL
       AND ROW(NEW.void_declared_at, NEW.void_reason) IS DISTINCT FROM ROW(OLD.void_declared_at, OLD.void_reason))
    THEN
        wrong := 'the delay of a void and its declaration are fixed';
    ELSIF NEW.void_declared_at IS NOT NULL AND OLD.void_declared_at IS NULL AND (
        NEW.void_reason = '' OR OLD.state <> NEW.state
        OR NEW.void_declared_at NOT BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp()
        OR NOT (NEW.state = 'frozen' AND NEW.contract_id IS NOT NULL
            OR NEW.state = 'committed' AND NEW.void_declared_at >= delay + to_timestamp(
                (beacon ->> 'genesis_time')::bigint + (NEW.round - 1) * (beacon ->> 'period')::bigint)))
    THEN
        wrong := 'only an anchored draw without a commitment, or one whose round is overdue, can be declared void';
    ELSIF OLD.state = 'void' AND NEW.state <> 'void' THEN
        wrong := 'a void draw stays void';
    ELSIF NEW.state = 'void' AND OLD.state NOT IN ('promised', 'announced', 'void') AND NOT coalesce(
        NEW.seed = '' AND (OLD.state = 'committed' OR OLD.state = 'frozen' AND NEW.contract_id IS NOT NULL)
        AND (coalesce(clock_timestamp() >= NEW.void_declared_at + delay, false)
            OR OLD.state = 'frozen' AND clock_timestamp() > commit_by), false)
    THEN
        wrong := 'a draw with fixed entries is void only some time after that was declared, and never once it is drawn';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER voids_are_declared BEFORE UPDATE OF state, void_after, void_declared_at, void_reason
    ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION voids_are_declared();
