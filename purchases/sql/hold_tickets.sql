-- Hold tickets: the only place where a hold is decided. Called by purchases/services/holds.py.
--
-- In one statement: the person's standing, their month, their tally (the raffle's limit per person), the purchase, its
-- payment and its audit row, and last the raffle's counter, so that the row that every buyer needs is locked for the
-- commit alone. All of it in here, because a session plans the statements of a function once.
-- A refusal is an exception with SQLSTATE LW001 whose message is the refusal's code (purchases/services/hold_errors.py).
-- Sent again with the same key it returns the purchase of the first time.
CREATE OR REPLACE FUNCTION hold_tickets(
    new_purchase uuid, new_entry uuid, new_payment uuid, new_holder bytea, new_nonce bytea, wanted_raffle uuid, wanted_buyer uuid, wanted integer,
    given_key text, digest bytea, given_answer text, hold interval, live boolean, asking uuid, least_age integer,
    address inet, request_id varchar
) RETURNS TABLE (
    id uuid, entry_id uuid, holder bytea, nonce bytea, raffle_id uuid, buyer_id uuid, route varchar, quantity integer, amount bigint,
    currency varchar, status varchar, first_ticket integer, idempotency_key varchar, request_digest bytea,
    expires_at timestamptz, created_at timestamptz, paid_at timestamptz,
    slug varchar, title varchar, customer varchar, client_secret varchar
) LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
#variable_conflict use_column
DECLARE
    wrong_answers CONSTANT integer := 5;
    person record;
    terms record;
    held record;
    total bigint;
    most bigint;
    wrong_since timestamptz;
BEGIN
    -- Whoever sets a safeguard locks this row to change it. The next statement sees what was committed until then.
    PERFORM FROM accounts_user AS u WHERE u.id = wanted_buyer FOR SHARE;
    -- Nobody asks in a session where a command or a test holds tickets.
    SELECT u.is_active, u.email_verified_at, u.barriers, u.is_limited, asking IS NULL OR EXISTS (
        SELECT FROM accounts_session AS s WHERE s.id = asking AND s.user_id = wanted_buyer AND s.ended_at IS NULL
    ) AS signed_in, c.id AS customer, EXISTS (
        SELECT FROM purchases_purchase AS p WHERE p.buyer_id = wanted_buyer AND p.idempotency_key = given_key
    ) AS repeats INTO person FROM accounts_standings(ARRAY[wanted_buyer], least_age) AS u
    LEFT JOIN djstripe_customer AS c ON c.subscriber_id = wanted_buyer AND c.livemode = live;
    IF person.is_active IS NOT TRUE THEN RAISE EXCEPTION 'user_inactive' USING ERRCODE = 'LW001'; END IF;
    IF NOT person.signed_in THEN RAISE EXCEPTION 'session_ended' USING ERRCODE = 'LW001'; END IF;
    IF person.email_verified_at IS NULL THEN
        RAISE EXCEPTION 'email_not_verified' USING ERRCODE = 'LW001';
    END IF;
    IF person.repeats THEN
        -- What became of it is told in any case, but its checkout goes on only for whoever may still buy.
        RETURN QUERY SELECT
            p.id, p.entry_id, p.holder, p.nonce, p.raffle_id, p.buyer_id, p.route, p.quantity, p.amount, p.currency, p.status,
            p.first_ticket, p.idempotency_key, p.request_digest, p.expires_at, p.created_at, p.paid_at,
            r.slug, r.title, NULL::varchar, payable.client_secret
        FROM purchases_purchase AS p JOIN raffles_raffle AS r ON r.id = p.raffle_id
        LEFT JOIN purchases_payment AS payable
            ON payable.purchase_id = p.id AND payable.status = 'open' AND p.status = 'pending'
        WHERE p.buyer_id = wanted_buyer AND p.idempotency_key = given_key
          AND (person.barriers = '{}' OR p.status <> 'pending');
        IF FOUND THEN RETURN; END IF;
    END IF;
    -- Of all raffles, by staff (raffles/sale_stops.py). What was held before can still be paid.
    IF EXISTS (SELECT FROM raffles_salestop AS stop WHERE stop.ended_at IS NULL) THEN
        RAISE EXCEPTION 'sales_stopped' USING ERRCODE = 'LW001';
    END IF;
    IF person.barriers <> '{}' THEN RAISE EXCEPTION '%', person.barriers[1] USING ERRCODE = 'LW001'; END IF;

    SELECT r.slug, r.title, ticket_price, r.currency, max_per_person, opens_at, closes_at, question, answer
    INTO terms FROM raffles_raffle AS r WHERE r.id = wanted_raffle AND r.status <> 'draft';
    IF NOT FOUND THEN RAISE EXCEPTION 'raffle_not_found' USING ERRCODE = 'LW001'; END IF;
    total := terms.ticket_price::bigint * wanted;
    -- Stripe takes at most eight digits in one charge.
    IF total > 99999999 THEN RAISE EXCEPTION 'amount_too_large' USING ERRCODE = 'LW001'; END IF;
    IF terms.question <> '' THEN
        IF given_answer IS NULL THEN RAISE EXCEPTION 'answer_missing' USING ERRCODE = 'LW001'; END IF;
        -- Who asks many times at once is heard one at a time: each sees how the others fared.
        PERFORM pg_advisory_xact_lock(hashtextextended('skill ' || wanted_raffle || wanted_buyer, 0));
        -- The oldest of the newest wrong ones, if there are as many as are allowed. Right ones do not count.
        SELECT a.at INTO wrong_since FROM purchases_skillattempt AS a
        WHERE a.raffle_id = wanted_raffle AND user_id = wanted_buyer AND NOT correct
          AND a.at > clock_timestamp() - interval '1 day'
        ORDER BY a.at DESC OFFSET wrong_answers - 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'too_many_answers' USING ERRCODE = 'LW001', DETAIL =
                to_char((wrong_since + interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
        END IF;
        INSERT INTO purchases_skillattempt (raffle_id, user_id, answer, correct)
        VALUES (wanted_raffle, wanted_buyer, left(given_answer, 200), given_answer = terms.answer);
        IF given_answer <> terms.answer THEN
            RETURN QUERY SELECT
                NULL::uuid, NULL::uuid, NULL::bytea, NULL::bytea, wanted_raffle, wanted_buyer, 'card'::varchar, wanted, total, terms.currency,
                'wrong'::varchar, NULL::integer, NULL::varchar, digest, NULL::timestamptz, NULL::timestamptz,
                NULL::timestamptz, terms.slug, terms.title, NULL::varchar, NULL::varchar;
            RETURN;
        END IF;
    END IF;

    IF person.is_limited THEN
        -- Of purchases at once, in whatever raffles, each sees what the others spent.
        PERFORM FROM accounts_spendlimit AS l WHERE l.user_id = wanted_buyer ORDER BY l.currency FOR UPDATE;
        SELECT CASE WHEN l.next_from <= statement_timestamp() THEN l.next_amount ELSE l.amount END INTO most
        FROM accounts_spendlimit AS l WHERE l.user_id = wanted_buyer AND l.currency = terms.currency;
        -- Another currency than those that the person thought of.
        IF NOT FOUND THEN most := 0; END IF;
        IF total + (
            SELECT coalesce(sum(p.amount), 0) FROM purchases_purchase AS p
            WHERE p.buyer_id = wanted_buyer AND p.currency = terms.currency
              AND p.status IN ('pending', 'processing', 'paid')
              -- Of a purchase the time of this same statement is kept.
              AND p.created_at >= date_trunc('month', statement_timestamp(), 'UTC')
        ) > most THEN RAISE EXCEPTION 'spend_limit_reached' USING ERRCODE = 'LW001'; END IF;
    END IF;

    INSERT INTO purchases_persontally AS tally (raffle_id, user_id, taken)
    SELECT wanted_raffle, wanted_buyer, wanted WHERE wanted <= terms.max_per_person
    ON CONFLICT (raffle_id, user_id) DO UPDATE SET taken = tally.taken + EXCLUDED.taken
    WHERE tally.taken + EXCLUDED.taken <= terms.max_per_person;
    IF NOT FOUND THEN RAISE EXCEPTION 'limit_reached' USING ERRCODE = 'LW001'; END IF;

    WITH made AS (
        INSERT INTO purchases_purchase AS p (
            id, entry_id, holder, nonce, raffle_id, buyer_id, route, quantity, amount, currency, status,
            idempotency_key, request_digest, expires_at
        ) VALUES (
            new_purchase, new_entry, new_holder, new_nonce, wanted_raffle, wanted_buyer, 'card', wanted, total,
            terms.currency, 'pending', given_key, digest, clock_timestamp() + hold
        ) RETURNING p.id, p.expires_at, p.created_at
    ), opened AS (
        -- The caller is about to call Stripe: nobody else shall for a while.
        INSERT INTO purchases_payment (id, purchase_id, attempt, status, client_secret, calling_since, updated_at)
        SELECT new_payment, made.id, 1, 'started', '', clock_timestamp(), clock_timestamp() FROM made
    ), recorded AS (
        INSERT INTO audit_auditentry (actor, action, address, request_id, subject_type, subject_id, before, after)
        VALUES (wanted_buyer, 'purchase.pending', address, request_id, 'purchase', new_purchase::text, '{}', jsonb_build_object(
            'status', 'pending', 'quantity', wanted, 'amount', total, 'currency', terms.currency, 'payment', new_payment
        ))
    ) SELECT made.expires_at, made.created_at INTO held FROM made;

    -- The clock of this very moment: the statement may have waited for a lock. A raffle's dates never change, so they
    -- may stand in a row that is not locked.
    UPDATE raffles_ticketcounter SET held = held + wanted
    WHERE raffle_id = wanted_raffle AND selling AND held + sold + wanted <= capacity
      AND clock_timestamp() >= terms.opens_at AND clock_timestamp() < terms.closes_at;
    IF NOT FOUND THEN RAISE EXCEPTION 'not_available' USING ERRCODE = 'LW001'; END IF;

    RETURN QUERY SELECT
        new_purchase, new_entry, new_holder, new_nonce, wanted_raffle, wanted_buyer, 'card'::varchar, wanted, total,
        terms.currency, 'pending'::varchar, NULL::integer, given_key::varchar, digest, held.expires_at, held.created_at,
        NULL::timestamptz, terms.slug, terms.title, person.customer, NULL::varchar;
END $$;
