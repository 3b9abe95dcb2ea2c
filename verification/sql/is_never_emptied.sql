-- TRUNCATE passes the triggers of rows: these tables refuse it.
CREATE OR REPLACE FUNCTION is_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON purchases_purchase
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_award
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_draw
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_drawsequence
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_entriesindex
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_forfeit
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_pick
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_log
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_logblock
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_loghead
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();

CREATE OR REPLACE TRIGGER is_never_emptied BEFORE TRUNCATE ON verification_logleaf
    FOR EACH STATEMENT EXECUTE FUNCTION is_never_emptied();
