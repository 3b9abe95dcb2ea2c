-- What a draw promised or decided is fixed, and it is never deleted. The one exception: its commitment is where the chain
-- has it. If a reorganisation moved that, time and round follow the confirmed transaction; if it took it away, and no
-- transaction that commits is in a block, the draw is frozen again. A decision by the former round is undone with it,
-- unless the contract has settled and people were told. A decision is also undone if the contract has the draw void.
CREATE OR REPLACE FUNCTION draw_promises_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    beacon jsonb := OLD.manifest::jsonb -> 'beacon';
    delay bigint := OLD.manifest::jsonb ->> 'delay_seconds';
    genesis bigint := beacon ->> 'genesis_time';
    period bigint := beacon ->> 'period';
    follows_the_chain boolean := false;
    is_shown boolean := false;
    is_undone boolean := false;
    is_lost boolean := false;
    is_void_there boolean := false;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.seed <> '' AND NEW.seed = '' THEN
        is_shown := ROW(NEW.signature, NEW.randomness) = ROW('', '') AND EXISTS (
            SELECT FROM verification_undonedecision
            WHERE draw_id = OLD.raffle_id AND committed_at = OLD.committed_at AND round = OLD.round AND seed = OLD.seed);
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state = 'drawn' AND NEW.state = 'committed' THEN
        is_void_there := is_shown AND EXISTS (
            SELECT FROM verification_chainstep step JOIN verification_chaintransaction sent ON sent.id = step.transaction_id
            WHERE step.draw_id = OLD.raffle_id AND step.step = 'void' AND step.live AND sent.state IN ('done', 'final'));
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state IN ('committed', 'drawn') AND NEW.state = 'frozen' THEN
        is_lost := OLD.contract_id IS NOT NULL AND num_nonnulls(NEW.committed_at, NEW.round) = 0
            AND (OLD.seed = '' OR is_shown) AND NOT EXISTS (
                SELECT FROM verification_chainstep step
                JOIN verification_chaintransaction sent ON sent.id = step.transaction_id
                WHERE step.draw_id = OLD.raffle_id AND step.step = 'commit' AND step.live
                  AND sent.state IN ('mined', 'done', 'final'));
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.committed_at IS DISTINCT FROM OLD.committed_at AND OLD.seed <> '' THEN
        follows_the_chain := EXISTS (
            SELECT FROM verification_chainstep step JOIN verification_chaintransaction sent ON sent.id = step.transaction_id
            WHERE step.draw_id = OLD.raffle_id AND step.step = 'commit' AND step.live
              AND sent.state IN ('done', 'final') AND sent.block_time = NEW.committed_at
        ) AND NEW.round = greatest(1, ceil((NEW.committed_at + delay - genesis) / period::numeric) + 1);
        is_undone := follows_the_chain AND is_shown
            AND OLD.state = 'drawn' AND NEW.state = 'committed' AND NEW.round <> OLD.round;
    END IF;
    IF TG_OP = 'UPDATE'
       AND ROW(OLD.raffle_id, OLD.sequence, OLD.manifest, OLD.manifest_hash, OLD.receipt_key, OLD.contract_id)
           IS NOT DISTINCT FROM
           ROW(NEW.raffle_id, NEW.sequence, NEW.manifest, NEW.manifest_hash, NEW.receipt_key, NEW.contract_id)
       AND (OLD.root = '' OR (
           ROW(OLD.root, OLD.tickets, OLD.entries, OLD.log_root, OLD.log_size, OLD.commitment)
           IS NOT DISTINCT FROM ROW(NEW.root, NEW.tickets, NEW.entries, NEW.log_root, NEW.log_size, NEW.commitment)))
       AND (OLD.committed_at IS NULL
           OR ROW(OLD.committed_at, OLD.round) IS NOT DISTINCT FROM ROW(NEW.committed_at, NEW.round)
           OR (OLD.contract_id IS NOT NULL AND OLD.state = 'committed' AND NEW.state = 'committed'
               AND OLD.seed = '' AND NEW.seed = '')
           OR is_undone
           OR is_lost
           OR (follows_the_chain AND NEW.state = OLD.state AND NEW.round = OLD.round))
       AND (OLD.seed = '' OR is_undone OR is_lost OR is_void_there OR ROW(OLD.seed, OLD.signature, OLD.randomness)
           IS NOT DISTINCT FROM ROW(NEW.seed, NEW.signature, NEW.randomness))
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'what a draw promised or decided is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER draw_promises_are_fixed BEFORE UPDATE OR DELETE ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION draw_promises_are_fixed();
