-- Store the intent that Stripe made for a started payment, with its audit row. Called by purchases/services/payments.py.
--
-- False, and nothing is written, if the payment's attempt has ended: it ends with the hold. A function, because every
-- purchase comes through here, and a session plans the statements of a function once.
CREATE OR REPLACE FUNCTION store_intent(
    opened uuid, intent varchar, secret varchar, payer varchar, actor uuid, address inet, request_id varchar
) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    purchase uuid;
BEGIN
    UPDATE purchases_payment AS p
    SET status = 'open', intent_id = intent, client_secret = secret, customer = payer, calling_since = NULL, updated_at = now()
    WHERE p.id = opened AND p.status = 'started'
    RETURNING p.purchase_id INTO purchase;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO audit_auditentry (actor, action, address, request_id, subject_type, subject_id, before, after)
    VALUES (actor, 'payment.open', address, request_id, 'payment', opened::text, '{"status": "started"}', jsonb_build_object(
        'status', 'open', 'purchase', purchase, 'intent', intent
    ));
    RETURN true;
END $$;
