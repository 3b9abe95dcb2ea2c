"""One form for every address, and one account for every mailbox.

Nothing is lost and nothing fails where accounts collide: one of those that reach the same mailbox keeps it (verified
before unverified, staff first, then open and older), the others stay as they are but without a mailbox, which bars them
from buying until staff resolve it: `manage.py mailboxes` lists them, and so does the back office. An exclusion or a
pause of any of them counts for the one that keeps the mailbox. Each change has its row in the audit.
"""

import sys
from itertools import batched

import django.db.models.functions.text
from django.db import migrations, models

import accounts.models.fields
from accounts.addresses import AddressRefused, canonical_address, lookup_address, mailbox_key

KEEPERS = """
    UPDATE accounts_user AS u SET mailbox = keeper.mailbox FROM (
        SELECT DISTINCT ON (s.mailbox) s.user_id, s.mailbox
        FROM spelling AS s JOIN accounts_user AS a ON a.id = s.user_id
        ORDER BY s.mailbox, a.email_verified_at IS NULL, NOT (a.is_staff OR a.is_superuser), NOT a.is_active,
            a.joined_at, a.id
    ) AS keeper WHERE u.id = keeper.user_id
"""
RESPELLED = """
    SELECT s.canonical, array_agg(u.id ORDER BY u.mailbox IS NULL, u.joined_at, u.id),
        array_agg(u.email ORDER BY u.mailbox IS NULL, u.joined_at, u.id)
    FROM spelling AS s JOIN accounts_user AS u ON u.id = s.user_id
    GROUP BY s.canonical HAVING bool_or(u.email <> s.canonical)
"""
SHARED = """
    SELECT u.id, keeper.id FROM accounts_user AS u JOIN spelling AS s ON s.user_id = u.id
    JOIN accounts_user AS keeper ON keeper.mailbox = s.mailbox WHERE u.mailbox IS NULL
"""
# What any of them wished for themselves, for the one who can still buy; never shorter than it was.
SAFEGUARDS = """
    INSERT INTO accounts_safeguards AS kept (user_id, paused_until, excluded_until, excluded_forever)
    SELECT keeper.id, max(g.paused_until), max(g.excluded_until), bool_or(g.excluded_forever)
    FROM accounts_user AS u JOIN spelling AS s ON s.user_id = u.id
    JOIN accounts_safeguards AS g ON g.user_id = u.id
    JOIN accounts_user AS keeper ON keeper.mailbox = s.mailbox
    WHERE u.mailbox IS NULL GROUP BY keeper.id
    ON CONFLICT (user_id) DO UPDATE SET
        paused_until = greatest(kept.paused_until, EXCLUDED.paused_until),
        excluded_until = greatest(kept.excluded_until, EXCLUDED.excluded_until),
        excluded_forever = kept.excluded_forever OR EXCLUDED.excluded_forever
    RETURNING user_id, excluded_forever OR coalesce(excluded_until > statement_timestamp(), false)
"""
# The function's own text with one line more, whatever else migrations have made of it.
BARRIER = """
DO $do$ DECLARE
    before CONSTANT text := pg_get_functiondef('accounts_standings(uuid[], integer)'::regprocedure);
    after CONSTANT text := replace(before, $$CASE WHEN facts.missing$$,
        $$CASE WHEN u.mailbox IS NULL THEN 'duplicate_account' END,
            CASE WHEN facts.missing$$);
BEGIN
    IF after = before THEN RAISE EXCEPTION 'accounts_standings has no place for the barrier'; END IF;
    EXECUTE after;
END $do$
"""
NO_BARRIER = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef('accounts_standings(uuid[], integer)'::regprocedure),
        $$CASE WHEN u.mailbox IS NULL THEN 'duplicate_account' END,
            $$, '');
END $do$
"""


def give_mailboxes(apps, schema_editor):
    """Cost: a minute for a million accounts, and one rewrite of their table."""
    with schema_editor.connection.cursor() as cursor:
        _spell(apps, cursor)
        cursor.execute(KEEPERS)
        respelled = _rewrite_addresses(cursor)
        cursor.execute(SHARED)
        shared = cursor.fetchall()
        cursor.execute(SAFEGUARDS)
        barred = [user for user, excluded in cursor.fetchall() if excluded]
        apps.get_model("accounts", "Preferences").objects.filter(user__in=barred).update(marketing_consent_at=None)
        cursor.execute("DROP TABLE spelling")
        # What hangs on these rows is checked now: the next operation changes their table.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    _audit(apps, "user.updated", [(user, {"changed": ["email"]}) for user in respelled])
    _audit(apps, "user.mailbox_shared", [(user, {"with": str(keeper)}) for user, keeper in shared])
    _audit(apps, "user.exclusion_carried_over", [(user, {}) for user in barred])
    if shared:
        sys.stderr.write(f"\n  {len(shared)} accounts share a mailbox with another; see `manage.py mailboxes`.\n")


def _spell(apps, cursor):
    cursor.execute("CREATE TEMPORARY TABLE spelling (user_id uuid PRIMARY KEY, canonical text, mailbox text)")
    people = apps.get_model("accounts", "User").objects.order_by("pk").values_list("pk", "email")
    for part in batched(people.iterator(chunk_size=5_000), 5_000):
        canonical = [lookup_address(_as_it_was_mailed(email)) for _, email in part]
        values = [[pk for pk, _ in part], canonical, [mailbox_key(each) for each in canonical]]
        cursor.execute("INSERT INTO spelling SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[])", values)


def _as_it_was_mailed(email):
    """Mails went to domains as IDNA 2003 has them, where ß is ss: whoever verified the address reads that mailbox."""
    local, _, domain = email.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return email


def _rewrite_addresses(cursor):
    """Gives the first account of each address its canonical form; the others keep a form of the same address."""
    cursor.execute(RESPELLED)
    changed = []
    for canonical, (keeper, *others), (email, *other_emails) in cursor.fetchall():
        if email == canonical:
            continue
        steps = [(keeper, canonical)]
        if canonical in other_emails:
            # Two forms of one address change hands.
            holder = others[other_emails.index(canonical)]
            steps = [(keeper, f"{keeper.hex}@deleted.invalid"), (holder, email), *steps]
        for user, text in steps:
            cursor.execute("UPDATE accounts_user SET email = %s WHERE id = %s", [text, user])
        changed += dict.fromkeys(user for user, _ in steps)
    return changed


def _audit(apps, action, changes):
    rows = apps.get_model("audit", "AuditEntry").objects
    for user, after in changes:
        rows.create(action=action, subject_type="user", subject_id=str(user), before={}, after=after)


def rewrite_waiting(apps, schema_editor):
    """Changes of address that wait; one whose new address no mail reaches goes."""
    for change in apps.get_model("accounts", "EmailChange").objects.all():
        try:
            change.email = canonical_address(change.email)
            change.save(update_fields=["email"])
        except AddressRefused:
            change.delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_privacy"), ("audit", "0003_chain")]
    operations = [
        migrations.AddField(
            "user",
            "mailbox",
            accounts.models.fields.MailboxKeyField(
                editable=False,
                help_text="What all addresses of one mailbox have in common: an account each. Empty: another has it.",
                max_length=254,
                null=True,
                unique=True,
            ),
        ),
        migrations.AlterField("user", "email", accounts.models.fields.CanonicalEmailField(max_length=254, unique=True)),
        migrations.AlterField("emailchange", "email", accounts.models.fields.CanonicalEmailField(max_length=254)),
        migrations.AlterField("linkrequest", "email", accounts.models.fields.CanonicalEmailField(max_length=254)),
        migrations.AlterField(
            "identity",
            "email",
            accounts.models.fields.CanonicalEmailField(
                help_text="As the provider had verified it when the two were linked.", max_length=254
            ),
        ),
        migrations.RunPython(give_mailboxes, migrations.RunPython.noop),
        migrations.RunPython(rewrite_waiting, migrations.RunPython.noop),
        migrations.AddIndex(
            "user",
            models.Index(
                models.F("date_of_birth"),
                django.db.models.functions.text.Lower("display_name"),
                name="accounts_user_likely_double",
            ),
        ),
        migrations.RunSQL(BARRIER, NO_BARRIER),
    ]
