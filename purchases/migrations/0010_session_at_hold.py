"""`hold_tickets` reads the session in which its buyer asks, with the buyer: one that has ended holds nothing."""

from importlib import import_module

from django.db import migrations

OLD = import_module("purchases.migrations.0008_sure_mirrors").FORWARD
PARAMETERS = "uuid, uuid, uuid, uuid, uuid, integer, text, bytea, text, interval, boolean"
# Nobody asks in a session where a command or a test holds tickets.
SIGNED_IN = """asking IS NULL OR EXISTS (
        SELECT FROM accounts_session AS s WHERE s.id = asking AND s.user_id = wanted_buyer AND s.ended_at IS NULL
    ) AS signed_in"""
CHANGES = (
    ("hold interval, live boolean\n", "hold interval, live boolean, asking uuid\n"),
    ("email_verified_at, c.id AS customer, EXISTS", f"email_verified_at, {SIGNED_IN}, c.id AS customer, EXISTS"),
    (
        "    IF person.email_verified_at IS NULL THEN\n",
        "    IF NOT person.signed_in THEN RAISE EXCEPTION 'session_ended' USING ERRCODE = 'LW001'; END IF;\n"
        "    IF person.email_verified_at IS NULL THEN\n",
    ),
)


def _new():
    text = OLD
    for before, after in CHANGES:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


FORWARD = _new()


class Migration(migrations.Migration):
    dependencies = [("purchases", "0009_void_raffles"), ("accounts", "0001_initial")]
    operations = [
        migrations.RunSQL(f"DROP FUNCTION hold_tickets({PARAMETERS})", OLD),
        migrations.RunSQL(FORWARD, f"DROP FUNCTION hold_tickets({PARAMETERS}, uuid)"),
    ]
