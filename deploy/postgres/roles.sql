-- Two roles of the database: `luxewin_owner` owns the tables and migrates; `luxewin` serves, and can neither switch a
-- trigger off nor change a table or a function. So whoever takes over a web process or a worker cannot rewrite the
-- audit, the log of a draw or a published raffle's terms.
--
-- Run it once as a superuser, or as your provider's administrator, before the first `manage.py migrate`:
--     psql -v ON_ERROR_STOP=1 -f deploy/postgres/roles.sql DATABASE
-- then give both a password (\password luxewin_owner, \password luxewin), and
--     DATABASE_URL=postgres://luxewin_owner:…@HOST/DATABASE python manage.py migrate
-- with each release. DATABASE_URL of web and workers names `luxewin`.
CREATE ROLE luxewin_owner LOGIN;
CREATE ROLE luxewin LOGIN;
GRANT USAGE, CREATE ON SCHEMA public TO luxewin_owner;
GRANT USAGE ON SCHEMA public TO luxewin;
-- What migrations make from now on. An administrator who is no superuser has to be a member first.
GRANT luxewin_owner TO CURRENT_USER;
ALTER DEFAULT PRIVILEGES FOR ROLE luxewin_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO luxewin;
-- What is there already, in a database that was migrated by another role; that role's REASSIGN OWNED does the rest.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO luxewin;
