-- Whoever lets holds run out again and again waits before the next; the waits are rows of purchases_lapsewait.
CREATE OR REPLACE FUNCTION wait_after_lapses() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    SELECT count(*) AS lapses, max(lapsed_at) AS newest INTO found FROM purchases_purchase
    WHERE buyer_id = NEW.buyer_id AND lapsed_at > clock_timestamp() - interval '1 day';
    IF found.lapses = 0 THEN RETURN NEW; END IF;
    SELECT found.newest + wait AS until INTO found FROM purchases_lapsewait
    WHERE lapses <= found.lapses ORDER BY lapses DESC LIMIT 1;
    IF found.until > clock_timestamp() THEN
        RAISE EXCEPTION 'too_many_lapsed_holds' USING ERRCODE = 'LW001', DETAIL =
            to_char(found.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER wait_after_lapses BEFORE INSERT ON purchases_purchase FOR EACH ROW
    WHEN (NEW.status = 'pending') EXECUTE FUNCTION wait_after_lapses();
