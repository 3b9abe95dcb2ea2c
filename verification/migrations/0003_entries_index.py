"""The upper levels of a committed draw's tree, fixed once written.

A draw that was committed before this has none, and its buyers' paths are refused: no release had one.
"""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION entries_index_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the index of a draw is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER entries_index_is_fixed BEFORE UPDATE OR DELETE ON verification_entriesindex
    FOR EACH ROW EXECUTE FUNCTION entries_index_is_fixed();
-- Hashes do not compress: nobody shall try.
ALTER TABLE verification_entriesindex ALTER COLUMN nodes SET STORAGE EXTERNAL;
"""
REVERSE = """
DROP TRIGGER entries_index_is_fixed ON verification_entriesindex; DROP FUNCTION entries_index_is_fixed();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('verification', '0002_promises_are_fixed'),
    ]

    operations = [
        migrations.CreateModel(
            name='EntriesIndex',
            fields=[
                ('draw', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='index', serialize=False, to='verification.draw')),
                ('first_tickets', models.BinaryField(help_text='u64 for each block: the first ticket of its first entry.')),
                ('nodes', models.BinaryField(help_text="u64(sum) and hash of each node, from the blocks' own level up to the root.")),
                ('digest', models.BinaryField(help_text="SHA-256 of all entries' records, which tells whether one has changed.")),
            ],
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
