"""One statement holds tickets: so the hot row is locked for that statement, and no client is waited for meanwhile.

Locks: the person's tally, the purchase, the raffle's counter, in that order. A refusal raises SQLSTATE LW001 with its
code as the message and rolls everything back. `purchases/services/holds.py` is the only caller.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION hold_tickets(
    new_purchase uuid, new_entry uuid, new_payment uuid, wanted_raffle uuid, wanted_buyer uuid, wanted integer,
    given_key text, digest bytea, given_answer text, hold interval, live boolean
) RETURNS TABLE (
    id uuid, entry_id uuid, raffle_id uuid, buyer_id uuid, route varchar, quantity integer, amount bigint,
    currency varchar, status varchar, first_ticket integer, idempotency_key varchar, request_digest bytea,
    expires_at timestamptz, created_at timestamptz, paid_at timestamptz,
    slug varchar, title varchar, customer varchar, client_secret varchar
) LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
#variable_conflict use_column
DECLARE
    person record;
    terms record;
    held record;
    total bigint;
BEGIN
    SELECT is_active, email_verified_at, c.id AS customer INTO person FROM accounts_user AS u
    LEFT JOIN djstripe_customer AS c ON c.subscriber_id = u.id AND c.livemode = live WHERE u.id = wanted_buyer;
    IF person.is_active IS NOT TRUE THEN RAISE EXCEPTION 'user_inactive' USING ERRCODE = 'LW001'; END IF;
    IF person.email_verified_at IS NULL THEN
        RAISE EXCEPTION 'email_not_verified' USING ERRCODE = 'LW001';
    END IF;
    PERFORM FROM purchases_purchase WHERE buyer_id = wanted_buyer AND idempotency_key = given_key;
    IF FOUND THEN
        RETURN QUERY SELECT
            p.id, p.entry_id, p.raffle_id, p.buyer_id, p.route, p.quantity, p.amount, p.currency, p.status,
            p.first_ticket, p.idempotency_key, p.request_digest, p.expires_at, p.created_at, p.paid_at,
            r.slug, r.title, NULL::varchar, payable.client_secret
        FROM purchases_purchase AS p JOIN raffles_raffle AS r ON r.id = p.raffle_id
        LEFT JOIN purchases_payment AS payable
            ON payable.purchase_id = p.id AND payable.status = 'open' AND p.status = 'pending'
        WHERE p.buyer_id = wanted_buyer AND p.idempotency_key = given_key;
        RETURN;
    END IF;

    SELECT r.slug, r.title, ticket_price, r.currency, max_per_person, opens_at, closes_at, question, answer
    INTO terms FROM raffles_raffle AS r WHERE r.id = wanted_raffle AND r.status <> 'draft';
    IF NOT FOUND THEN RAISE EXCEPTION 'raffle_not_found' USING ERRCODE = 'LW001'; END IF;
    total := terms.ticket_price::bigint * wanted;
    -- Stripe takes at most eight digits in one charge.
    IF total > 99999999 THEN RAISE EXCEPTION 'amount_too_large' USING ERRCODE = 'LW001'; END IF;
    IF terms.question <> '' THEN
        IF given_answer IS DISTINCT FROM terms.answer THEN
            RAISE EXCEPTION 'wrong_answer' USING ERRCODE = 'LW001';
        END IF;
        INSERT INTO purchases_skillattempt (raffle_id, user_id, answer, correct)
        VALUES (wanted_raffle, wanted_buyer, given_answer, true);
    END IF;

    INSERT INTO purchases_persontally AS tally (raffle_id, user_id, taken)
    SELECT wanted_raffle, wanted_buyer, wanted WHERE wanted <= terms.max_per_person
    ON CONFLICT (raffle_id, user_id) DO UPDATE SET taken = tally.taken + EXCLUDED.taken
    WHERE tally.taken + EXCLUDED.taken <= terms.max_per_person;
    IF NOT FOUND THEN RAISE EXCEPTION 'limit_reached' USING ERRCODE = 'LW001'; END IF;

    INSERT INTO purchases_purchase AS p (
        id, entry_id, raffle_id, buyer_id, route, quantity, amount, currency, status, idempotency_key, request_digest,
        expires_at
    ) VALUES (
        new_purchase, new_entry, wanted_raffle, wanted_buyer, 'card', wanted, total, terms.currency, 'pending',
        given_key, digest, clock_timestamp() + hold
    ) RETURNING p.expires_at, p.created_at INTO held;
    -- The caller is about to call Stripe: nobody else shall for a while.
    INSERT INTO purchases_payment (id, purchase_id, attempt, status, client_secret, calling_since, updated_at)
    VALUES (new_payment, new_purchase, 1, 'started', '', clock_timestamp(), clock_timestamp());

    -- The clock of this very moment: the statement may have waited for a lock. A raffle's dates never change, so they
    -- may stand in a row that is not locked.
    UPDATE raffles_ticketcounter SET held = held + wanted
    WHERE raffle_id = wanted_raffle AND selling AND held + sold + wanted <= capacity
      AND clock_timestamp() >= terms.opens_at AND clock_timestamp() < terms.closes_at;
    IF NOT FOUND THEN RAISE EXCEPTION 'not_available' USING ERRCODE = 'LW001'; END IF;

    RETURN QUERY SELECT
        new_purchase, new_entry, wanted_raffle, wanted_buyer, 'card'::varchar, wanted, total, terms.currency,
        'pending'::varchar, NULL::integer, given_key::varchar, digest, held.expires_at, held.created_at,
        NULL::timestamptz, terms.slug, terms.title, person.customer, NULL::varchar;
END $$;
"""
REVERSE = "DROP FUNCTION hold_tickets(uuid, uuid, uuid, uuid, uuid, integer, text, bytea, text, interval, boolean)"


class Migration(migrations.Migration):
    dependencies = [("purchases", "0003_attempts_disputes_postal"), ("raffles", "0004_question_is_a_term")]
    operations = [migrations.RunSQL(FORWARD, REVERSE)]
