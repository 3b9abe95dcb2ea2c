-- Whether this pick is the next that a free prize goes to.
CREATE OR REPLACE FUNCTION is_next_alternate(candidate verification_pick) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT candidate.prize_id IS NULL AND NOT EXISTS (
        SELECT FROM verification_pick earlier
        WHERE earlier.draw_id = candidate.draw_id AND earlier.prize_id IS NULL AND earlier.position < candidate.position
          AND NOT EXISTS (SELECT FROM verification_forfeit WHERE pick_id = earlier.id)
          AND NOT EXISTS (SELECT FROM verification_award WHERE pick_id = earlier.id))
$$;
