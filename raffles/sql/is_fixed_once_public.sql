-- Public facts that never change: the announcement, the closing time, a cancellation's time and reason, the counter's capacity. Each
-- condition reads only the row: a hold, which changes `held`, pays for one comparison.
CREATE OR REPLACE FUNCTION is_fixed_once_public() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER cancellations_are_fixed BEFORE UPDATE OF cancelled_at, cancel_reason
    ON raffles_raffle FOR EACH ROW
    WHEN (OLD.status = 'cancelled' AND ROW(NEW.cancelled_at, NEW.cancel_reason)
        IS DISTINCT FROM ROW(OLD.cancelled_at, OLD.cancel_reason))
    EXECUTE FUNCTION is_fixed_once_public('time and reason of a cancellation are fixed');

CREATE OR REPLACE TRIGGER announcements_are_fixed BEFORE UPDATE OF announced_at ON raffles_raffle FOR EACH ROW
    WHEN (OLD.announced_at IS NOT NULL AND NEW.announced_at IS DISTINCT FROM OLD.announced_at)
    EXECUTE FUNCTION is_fixed_once_public('the time of the announcement is fixed');

CREATE OR REPLACE TRIGGER closings_are_fixed BEFORE UPDATE OF closed_at ON raffles_raffle FOR EACH ROW
    WHEN (NEW.closed_at IS DISTINCT FROM OLD.closed_at AND (OLD.closed_at IS NOT NULL OR OLD.frozen_at IS NOT NULL))
    EXECUTE FUNCTION is_fixed_once_public('the time of the closing is fixed');

CREATE OR REPLACE TRIGGER capacities_are_fixed BEFORE UPDATE OF capacity, raffle_id
    ON raffles_ticketcounter FOR EACH ROW
    WHEN (ROW(NEW.capacity, NEW.raffle_id) IS DISTINCT FROM ROW(OLD.capacity, OLD.raffle_id))
    EXECUTE FUNCTION is_fixed_once_public('the capacity of a published raffle is fixed');

CREATE OR REPLACE TRIGGER counters_are_kept BEFORE DELETE ON raffles_ticketcounter FOR EACH ROW
    EXECUTE FUNCTION is_fixed_once_public('the ticket counter of a raffle is kept');
