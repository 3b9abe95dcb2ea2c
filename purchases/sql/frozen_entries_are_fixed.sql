-- Once a raffle's entries are frozen, its purchases keep buyer, holder, numbers and status, but for what a void
-- allows.
CREATE OR REPLACE FUNCTION frozen_entries_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before purchases_purchase := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE OLD END;
    after purchases_purchase := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW END;
BEGIN
    IF (before.status = 'paid' OR after.status = 'paid')
       AND ROW(before.status, before.entry_id, before.holder, before.first_ticket, before.quantity,
               before.raffle_id, before.buyer_id, before.route, before.amount, before.currency)
           IS DISTINCT FROM ROW(after.status, after.entry_id, after.holder, after.first_ticket, after.quantity,
               after.raffle_id, after.buyer_id, after.route, after.amount, after.currency)
       AND EXISTS (SELECT FROM raffles_raffle WHERE id IN (before.raffle_id, after.raffle_id) AND frozen_at IS NOT NULL)
       AND NOT (TG_OP = 'UPDATE' AND before.status = 'paid' AND after.status IN ('refunding', 'void', 'review')
           AND ROW(before.entry_id, before.holder, before.first_ticket, before.quantity,
               before.raffle_id, before.buyer_id, before.route, before.amount, before.currency)
               IS NOT DISTINCT FROM ROW(after.entry_id, after.holder, after.first_ticket, after.quantity,
               after.raffle_id, after.buyer_id, after.route, after.amount, after.currency)
           AND EXISTS (SELECT FROM raffles_raffle
                       WHERE id = after.raffle_id AND status = 'cancelled' AND drawn_at IS NULL))
    THEN RAISE EXCEPTION 'the entries of a frozen raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
END $$;

CREATE OR REPLACE TRIGGER frozen_entries_are_all BEFORE INSERT ON purchases_purchase
    FOR EACH ROW WHEN (NEW.status = 'paid') EXECUTE FUNCTION frozen_entries_are_fixed();

CREATE OR REPLACE TRIGGER frozen_entries_are_fixed BEFORE UPDATE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.status = 'paid' OR NEW.status = 'paid') EXECUTE FUNCTION frozen_entries_are_fixed();

CREATE OR REPLACE TRIGGER frozen_entries_are_kept BEFORE DELETE ON purchases_purchase
    FOR EACH ROW WHEN (OLD.status = 'paid') EXECUTE FUNCTION frozen_entries_are_fixed();
