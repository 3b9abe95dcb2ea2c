-- A payment receipt is in somebody's books: it is neither changed nor deleted, and its number is given once.
CREATE OR REPLACE FUNCTION payment_receipts_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a payment receipt is neither changed nor deleted' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER payment_receipts_are_kept BEFORE UPDATE OR DELETE ON purchases_paymentreceipt
    FOR EACH ROW EXECUTE FUNCTION payment_receipts_are_kept();

CREATE OR REPLACE TRIGGER payment_receipts_are_never_emptied BEFORE TRUNCATE ON purchases_paymentreceipt
    FOR EACH STATEMENT EXECUTE FUNCTION payment_receipts_are_kept();
