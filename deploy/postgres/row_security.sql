-- For a Supabase project, whose API serves tables to the roles `anon` and `authenticated`: nothing of ours is theirs, and
-- row-level security is on for every table, with one policy for the role that serves. Run it as `luxewin_owner` after
-- every `manage.py migrate`; `manage.py check_supabase` names what is still open.
REVOKE ALL ON SCHEMA luxewin FROM anon, authenticated;
REVOKE ALL ON ALL TABLES IN SCHEMA luxewin FROM anon, authenticated;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA luxewin FROM anon, authenticated;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA luxewin FROM anon, authenticated;
DO $$ DECLARE
    name regclass;
BEGIN
    FOR name IN SELECT oid FROM pg_class
        WHERE relnamespace = 'luxewin'::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY serves ON %s TO luxewin USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
