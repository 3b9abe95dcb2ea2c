-- A note of everybody whose address changed, for Stripe's customer of theirs (purchases/services/customers.py).
CREATE OR REPLACE FUNCTION note_customer_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO purchases_customerchange (user_id, noted_at) VALUES (NEW.id, clock_timestamp())
    ON CONFLICT (user_id) DO UPDATE SET noted_at = EXCLUDED.noted_at, claimed_until = NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER note_customer_change AFTER UPDATE OF email ON accounts_user FOR EACH ROW
    WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION note_customer_change();
