-- A schema of our own and two roles: `luxewin_owner` owns the tables and migrates; `luxewin` serves, and can neither
-- switch a trigger off nor change a table or a function. So whoever takes over a web process or a worker cannot rewrite
-- the audit, the log of a draw or a published raffle's terms.
--
-- Run it once as a superuser, or as your provider's administrator, before the first `manage.py migrate`:
--     psql -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql DATABASE
-- then give both a password (\password luxewin_owner, \password luxewin), and
--     DATABASE_URL=postgres://luxewin_owner:…@HOST/DATABASE python manage.py migrate
-- with each release. DATABASE_URL of web and workers names `luxewin`.
CREATE ROLE luxewin_owner LOGIN;
CREATE ROLE luxewin LOGIN;
-- An administrator who is no superuser has to be a member to act for a role.
GRANT luxewin_owner TO CURRENT_USER;
CREATE SCHEMA IF NOT EXISTS luxewin;
ALTER SCHEMA luxewin OWNER TO luxewin_owner;
REVOKE ALL ON SCHEMA luxewin FROM PUBLIC;
GRANT USAGE ON SCHEMA luxewin TO luxewin;
-- A setting of the roles, because a pooler in transaction mode takes none from a session.
ALTER ROLE luxewin_owner SET search_path = luxewin;
ALTER ROLE luxewin SET search_path = luxewin;
-- What migrations make from now on, and what is there already.
ALTER DEFAULT PRIVILEGES FOR ROLE luxewin_owner IN SCHEMA luxewin
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO luxewin;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA luxewin TO luxewin;
