"""A watch over states: what the database saw change, beside what the audit says of it."""

from collections import defaultdict

from django.apps import apps
from django.db import connection
from django.db.models import Max

from luxewin.audit.models import AuditEntry

# In which column a model's state is; the audit has it under the same name.
STATES = {
    "raffles.Raffle": "status",
    "purchases.Purchase": "status",
    "purchases.Payment": "status",
    "purchases.Refund": "status",
    "purchases.Dispute": "status",
    "verification.Draw": "state",
}
# States with no other story than this: a model that has such a column is in one of the two tables.
UNWATCHED = {
    "accounts.Deletion": "asking, taking back and carrying out are audited as user.deletion_… and the like",
    "accounts.Export": "asking for one and opening it are audited; the rest is background work",
    "accounts.Notification": "whether a mail left; the row itself is kept",
    "verification.Claim": "each step is audited as claim.<status>, and the last as pick.claimed",
    "verification.ChainTransaction": "each attempt is a row that is kept, beside a public chain; the draw is audited",
}
WATCH = """
    CREATE TABLE audit_watch (id serial, kind text, key text, before text, after text);
    CREATE FUNCTION audit_watch() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        old_state text := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ->> TG_ARGV[2] END;
        new_state text := to_jsonb(NEW) ->> TG_ARGV[2];
    BEGIN
        IF old_state IS DISTINCT FROM new_state THEN
            INSERT INTO audit_watch (kind, key, before, after)
            VALUES (TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1], old_state, new_state);
        END IF;
        RETURN NULL;
    END $$;
"""
TRIGGER = """
    CREATE TRIGGER audit_watch AFTER INSERT OR UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION audit_watch('{kind}', '{key}', '{column}')
"""
Moves = dict[tuple[str, str], list[tuple[str | None, str]]]


class Watch:
    """Sees every change of a state from now until the test's transaction is rolled back."""

    def __init__(self) -> None:
        self.since = AuditEntry.objects.aggregate(last=Max("id", default=0))["last"]
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(WATCH)
            for label, column in STATES.items():
                meta = apps.get_model(label)._meta
                names = {"table": meta.db_table, "kind": meta.model_name, "key": meta.pk.column, "column": column}
                cursor.execute(TRIGGER.format(**names))

    def seen(self) -> Moves:
        """Each thing's moves, in order."""
        moves: Moves = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute("SELECT kind, key, before, after FROM audit_watch ORDER BY id")
            for kind, key, before, after in cursor:
                moves[kind, key].append((before, after))
        # The first payment is told of by its purchase's row, which names it.
        for (kind, _), made in moves.items():
            if kind == "payment" and made[0] == (None, "started"):
                del made[0]
        # An entry by post is entered as paid: between its two moves nobody else can see it.
        entered = AuditEntry.objects.filter(id__gt=self.since, action="purchase.entered").values_list(
            "subject_id", flat=True
        )
        for key in entered:
            made = moves["purchase", key]
            if made[:2] == [(None, "pending"), ("pending", "paid")]:
                made[:2] = [(None, "paid")]
        return {thing: made for thing, made in moves.items() if made}

    def audited(self) -> Moves:
        """The same as the audit has it."""
        moves: Moves = defaultdict(list)
        for entry in AuditEntry.objects.filter(id__gt=self.since).order_by("id"):
            kind, key = entry.subject_type, entry.subject_id
            if entry.action == "purchase.disputed":
                kind, key = "dispute", entry.after["dispute"]
            before, after = (side.get("state" if kind == "draw" else "status") for side in (entry.before, entry.after))
            if after is None or before == after or (kind, before, after) == ("payment", None, "started"):
                continue
            moves[kind, key].append((before, after))
        return dict(moves)

    def check(self, *kinds: str) -> None:
        """Fails where the audit lacks a move, has one that was none, or another before or after."""
        seen = {thing: made for thing, made in self.seen().items() if not kinds or thing[0] in kinds}
        audited = self.audited()
        wrong = {thing: (audited.get(thing), made) for thing, made in seen.items() if audited.get(thing) != made}
        assert not wrong, f"audited, and seen: {wrong}"
