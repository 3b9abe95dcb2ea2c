-- The upper levels of a committed draw's tree are fixed once written. Hashes do not compress: nobody shall try.
CREATE OR REPLACE FUNCTION entries_index_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the index of a draw is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER entries_index_is_fixed BEFORE UPDATE OR DELETE ON verification_entriesindex
    FOR EACH ROW EXECUTE FUNCTION entries_index_is_fixed();

ALTER TABLE verification_entriesindex ALTER COLUMN nodes SET STORAGE EXTERNAL;
