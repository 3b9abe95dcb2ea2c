-- The terms of a published raffle are fixed, and it is never deleted.
CREATE OR REPLACE FUNCTION raffle_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status = 'draft' THEN RETURN OLD; END IF;
    ELSIF OLD.status = 'draft' OR (
        ROW(
            OLD.slug, OLD.title, OLD.ticket_price, OLD.currency, OLD.capacity,
            OLD.max_per_person, OLD.min_tickets, OLD.alternates, OLD.opens_at, OLD.closes_at,
            OLD.delay_seconds, OLD.published_at, OLD.question, OLD.choices, OLD.answer, OLD.debit_percent,
            OLD.conditions, OLD.free_route_instructions, OLD.free_route_until, OLD.claim_seconds,
            OLD.commit_within_seconds
        ) IS NOT DISTINCT FROM ROW(
            NEW.slug, NEW.title, NEW.ticket_price, NEW.currency, NEW.capacity,
            NEW.max_per_person, NEW.min_tickets, NEW.alternates, NEW.opens_at, NEW.closes_at,
            NEW.delay_seconds, NEW.published_at, NEW.question, NEW.choices, NEW.answer, NEW.debit_percent,
            NEW.conditions, NEW.free_route_instructions, NEW.free_route_until, NEW.claim_seconds,
            NEW.commit_within_seconds
        )
        AND NEW.status <> 'draft'
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the terms of a published raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER raffle_terms_are_fixed BEFORE UPDATE OR DELETE ON raffles_raffle
    FOR EACH ROW EXECUTE FUNCTION raffle_terms_are_fixed();
