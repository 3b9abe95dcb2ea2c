-- The table in which sign-ins are counted while Redis is away (Django's cache in the database).
CREATE TABLE IF NOT EXISTS accounts_durable_cache (
    cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamp with time zone NOT NULL
);
CREATE INDEX IF NOT EXISTS accounts_durable_cache_expires ON accounts_durable_cache (expires);
