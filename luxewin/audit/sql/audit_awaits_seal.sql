-- Put each audit row on the list of unsealed rows, in its own transaction.
CREATE OR REPLACE FUNCTION audit_awaits_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unsealed (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER audit_awaits_seal AFTER INSERT ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_awaits_seal();
