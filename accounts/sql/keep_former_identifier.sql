-- Addresses and identities that a person had before: an exclusion counts for all of them.
CREATE OR REPLACE FUNCTION keep_former_identifier() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was CONSTANT jsonb := to_jsonb(OLD);
BEGIN
    INSERT INTO accounts_formeridentifier (user_id, value) VALUES (
        (was ->> TG_ARGV[0])::uuid,
        coalesce(was ->> 'provider' || ':' || (was ->> 'subject'), was ->> 'mailbox', was ->> 'email')
    ) ON CONFLICT (user_id, value) DO NOTHING;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER keep_former_identifier AFTER DELETE ON accounts_identity FOR EACH ROW
    EXECUTE FUNCTION keep_former_identifier('user_id');

CREATE OR REPLACE TRIGGER keep_former_identifier AFTER UPDATE OF email ON accounts_user FOR EACH ROW
    WHEN (OLD.email <> NEW.email AND OLD.email_verified_at IS NOT NULL)
    EXECUTE FUNCTION keep_former_identifier('id');
