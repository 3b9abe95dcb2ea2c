-- For searches with typos. A server may lack the extension, and a role the right to make it: then a check says so
-- (raffles.W001), and whoever may can make it later.
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN feature_not_supported OR undefined_file OR insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm was not made: %', SQLERRM;
END $$;
