-- The counts of sold tickets and free entries cannot change once the entries are frozen.
CREATE OR REPLACE FUNCTION frozen_sales_are_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM raffles_raffle WHERE id = NEW.raffle_id AND frozen_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the entries of this raffle are frozen' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER frozen_sales_are_over BEFORE UPDATE OF sold, postal ON raffles_ticketcounter FOR EACH ROW
    WHEN (ROW(NEW.sold, NEW.postal) IS DISTINCT FROM ROW(OLD.sold, OLD.postal))
    EXECUTE FUNCTION frozen_sales_are_over();
