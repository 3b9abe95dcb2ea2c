-- Age in whole years at a moment, by the latest calendar of the country: a birthday counts once it has begun in all of
-- it; for a country that is not listed, by the last zone on earth. A person born on 29 February is a year older on 1
-- March in years without that day. STABLE, because the zones' offsets are data of the server.
CREATE OR REPLACE FUNCTION accounts_age(born date, country text, moment timestamptz)
RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT extract(year FROM age(
        (moment AT TIME ZONE coalesce(accounts_last_zones() ->> country, 'Etc/GMT+12'))::date, born
    ))::integer
$$;
