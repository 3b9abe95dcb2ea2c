-- The rule of a region, or else of its country, at a moment; no row if there is none.
CREATE OR REPLACE FUNCTION accounts_rule(wanted_country text, wanted_region text, moment timestamptz)
RETURNS TABLE (allowed boolean, minimum_age smallint, reason varchar) LANGUAGE sql STABLE AS $$
    -- A region sorts after the empty one, which is its whole country.
    SELECT r.allowed, r.minimum_age, r.reason FROM accounts_countryrule AS r
    WHERE r.country = wanted_country AND r.region IN ('', wanted_region) AND r.effective_from <= moment
    ORDER BY r.region DESC, r.effective_from DESC LIMIT 1
$$;
