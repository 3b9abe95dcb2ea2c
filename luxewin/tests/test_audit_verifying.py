"""Rows and seals changed, removed, swapped or inserted with the triggers switched off: the first bad one is named."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from luxewin.audit import canonical
from luxewin.audit.models import AuditEntry, Head, Seal, Unsealed
from luxewin.audit.sealing import seal_waiting
from luxewin.audit.verifying import Fault, Wrong, verify_audit
from luxewin.tests.test_audit_sealing import WRITE, write

pytestmark = pytest.mark.django_db
# One value for each column that is not what stands there.
FORGED = {
    "at": "at + interval '1 microsecond'",
    "actor": "gen_random_uuid()",
    "action": "'test.forged'",
    "subject_type": "'users'",
    "subject_id": "subject_id || '0'",
    "before": """'{"number": 7}'""",
    "after": """'{"number": 7.0}'""",
    "address": "'10.0.0.1'",
    "request_id": "'forged'",
}


@pytest.fixture
def chain() -> list[list[int]]:
    """Three seals over three rows each; the ids by seal."""
    sealed = []
    for _ in range(3):
        sealed.append(write(3))
        seal_waiting()
    assert verify_audit(heads={}, max_wait=timedelta()).rows == 9
    return sealed


@contextmanager
def guards_off() -> Iterator[Any]:
    """What the owner of the tables can do."""
    tables = ("audit_auditentry", "audit_seal")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tamper(statement: str, *values: Any) -> None:
    with guards_off() as cursor:
        cursor.execute(statement, values)


def fault(heads: dict[int, str] | None = None, max_wait: timedelta = timedelta(minutes=10)) -> tuple[Any, ...]:
    """What is wrong, of which row, in which seal."""
    with pytest.raises(Fault) as raised:
        verify_audit(heads=heads or {}, max_wait=max_wait)
    return raised.value.wrong, raised.value.row, raised.value.seal


def redone(seal: Seal, **changes: Any) -> None:
    """A seal with other contents, whose own digest is right again."""
    for name, value in changes.items():
        setattr(seal, name, value)
    names = ("version", "number", "previous", "sealed_at", "is_whole", "entries")
    facts = {name: getattr(seal, name) for name in names}
    digests = [bytes(seal.digests)[start : start + 32] for start in range(0, len(seal.digests), 32)]
    seal.digest = canonical.seal_digest(**facts, digests=digests)
    with guards_off():
        seal.save()


@pytest.mark.parametrize("column", FORGED)
def test_a_changed_column_is_named_by_its_row(chain, column):
    tamper(f"UPDATE audit_auditentry SET {column} = {FORGED[column]} WHERE id = %s", chain[1][1])
    assert fault() == (Wrong.CHANGED, chain[1][1], 2)


def test_no_column_was_forgotten():
    assert set(FORGED) | {"id"} == set(canonical.COLUMNS)


def test_a_time_that_no_calendar_has_is_a_change(chain):
    tamper("UPDATE audit_auditentry SET at = 'infinity' WHERE id = %s", chain[0][0])
    assert fault() == (Wrong.CHANGED, chain[0][0], 1)


def test_a_row_under_another_id_is_a_removed_one(chain):
    tamper("UPDATE audit_auditentry SET id = 1000000 WHERE id = %s", chain[1][2])
    assert fault() == (Wrong.REMOVED, chain[1][2], 2)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_row_is_named(chain, number, place):
    tamper("DELETE FROM audit_auditentry WHERE id = %s", chain[number - 1][place])
    assert fault() == (Wrong.REMOVED, chain[number - 1][place], number)


def test_of_several_bad_rows_the_first_is_named(chain):
    tamper("UPDATE audit_auditentry SET action = 'x' WHERE id IN (%s, %s)", chain[2][0], chain[1][2])
    assert fault() == (Wrong.CHANGED, chain[1][2], 2)


def test_two_rows_that_changed_places_are_reordered(chain):
    one, other = chain[1][0], chain[1][2]
    for old, new in ((one, -1), (other, one), (-1, other)):
        tamper("UPDATE audit_auditentry SET id = %s WHERE id = %s", new, old)
    assert fault() == (Wrong.REORDERED, one, 2)


def test_a_row_inserted_under_a_free_old_id_is_named(chain):
    tamper("DELETE FROM audit_unsealed")
    tamper("INSERT INTO audit_auditentry SELECT 0, at, actor, action, subject_type, subject_id, before, after, address,"
           " request_id FROM audit_auditentry WHERE id = %s", chain[0][0])  # fmt: skip
    assert fault() == (Wrong.INSERTED, 0, None)


def test_a_row_inserted_through_the_guard_with_an_old_time_is_named_once_it_is_sealed(chain):
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE.replace("(action,", "(at, action,").replace("VALUES (", "VALUES (now() - interval '1 day', "), ["x"]
        )
        (entry_id,) = cursor.fetchone()
    seal_waiting()
    assert fault() == (Wrong.BACKDATED, entry_id, 4)


def test_a_row_from_the_future_is_named(chain):
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE.replace("(action,", "(at, action,").replace("VALUES (", "VALUES (now() + interval '1 day', "), ["x"]
        )
        (entry_id,) = cursor.fetchone()
    seal_waiting()
    assert fault() == (Wrong.BACKDATED, entry_id, 4)


def test_rows_that_waited_for_a_sealer_that_was_away_are_not_backdated(monkeypatch):
    """A thousand rows of yesterday get two seals of today: the second is not to doubt them."""
    monkeypatch.setattr("luxewin.audit.sealing.BATCH", 2)
    ids = write(5)
    tamper("UPDATE audit_auditentry SET at = at - interval '1 day' WHERE id = ANY(%s)", ids)
    seal_waiting()
    assert verify_audit(heads={}, max_wait=timedelta()).seals == 3


def test_a_row_that_is_taken_off_the_waiting_list_is_named(chain):
    (entry_id,) = write(1)
    Unsealed.objects.all().delete()
    seal_waiting()
    assert fault() == (Wrong.INSERTED, entry_id, None)


def test_a_row_removed_while_it_waits_is_named_before_and_after_sealing(chain):
    _, gone = write(2)
    tamper("DELETE FROM audit_auditentry WHERE id = %s", gone)
    assert fault() == (Wrong.REMOVED, gone, None)
    seal_waiting()
    assert fault() == (Wrong.REMOVED, gone, 4)


def test_a_row_that_waits_too_long_is_a_fault(chain):
    entry_id, _ = write(2)
    seen = verify_audit(heads={}, max_wait=timedelta(minutes=1))
    assert seen.unsealed == 2
    assert fault(max_wait=timedelta()) == (Wrong.UNSEALED, entry_id, None)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("with_rows", [True, False], ids=["with its rows", "alone"])
def test_a_removed_seal_is_named(chain, number, with_rows):
    tamper("DELETE FROM audit_seal WHERE number = %s", number)
    if with_rows:
        tamper("DELETE FROM audit_auditentry WHERE id = ANY(%s)", chain[number - 1])
    assert fault() == (Wrong.SEAL_REMOVED, None, number)


SEALS = {
    "version": "2",
    "previous": "repeat('1', 64)",
    "entries": "entries[2:3] || entries[1]",
    "digests": "digests || digests",
    "is_whole": "NOT is_whole",
    "sealed_at": "sealed_at + interval '1 microsecond'",
    "digest": "repeat('1', 64)",
}


@pytest.mark.parametrize("column", SEALS)
@pytest.mark.parametrize("number", [1, 3])
def test_a_changed_seal_is_named(chain, column, number):
    tamper(f"UPDATE audit_seal SET {column} = {SEALS[column]} WHERE number = %s", number)
    assert fault() == (Wrong.SEAL_CHANGED, None, number)


def test_a_seal_made_anew_over_changed_rows_breaks_the_chain_after_it(chain):
    tamper("UPDATE audit_auditentry SET action = 'x' WHERE id = %s", chain[1][0])
    rows = canonical.read_rows(chain[1])
    redone(Seal.objects.get(pk=2), digests=b"".join(rows[each].digest for each in chain[1]))
    assert fault() == (Wrong.CHAIN_BROKEN, None, 3)


def test_the_newest_seal_made_anew_is_not_the_one_that_the_sealer_made(chain):
    redone(Seal.objects.get(pk=3), is_whole=False)
    assert fault() == (Wrong.CHAIN_BROKEN, None, 3)


def test_seals_swapped_are_changed_ones(chain):
    for old, new in ((1, -1), (2, 1), (-1, 2)):
        tamper("UPDATE audit_seal SET number = %s WHERE number = %s", new, old)
    assert fault() == (Wrong.SEAL_CHANGED, None, 1)


def _rewrite_from(number: int, chain: list[list[int]]) -> None:
    """What an owner of the database can do: the whole rest of the chain made anew, with its head."""
    previous = Seal.objects.get(pk=number - 1).digest
    for seal in Seal.objects.filter(number__gte=number).order_by("number"):
        rows = canonical.read_rows(seal.entries)
        redone(seal, previous=previous, digests=b"".join(rows[each].digest for each in seal.entries))
        previous = seal.digest
    Head.objects.update(digest=previous)


def test_a_chain_made_anew_passes_by_itself_and_not_with_a_head_that_somebody_noted(chain):
    noted = Seal.objects.get(pk=2).digest
    tamper("UPDATE audit_auditentry SET action = 'x' WHERE id = %s", chain[1][0])
    _rewrite_from(2, chain)
    assert verify_audit(heads={}, max_wait=timedelta()).rows == 9
    assert fault({2: noted}) == (Wrong.OTHER_HEAD, None, 2)


def test_an_end_cut_off_with_its_head_passes_by_itself_and_not_with_a_head_that_somebody_noted(chain):
    noted = Seal.objects.get(pk=3).digest
    tamper("DELETE FROM audit_seal WHERE number = 3")
    tamper("DELETE FROM audit_auditentry WHERE id = ANY(%s)", chain[2])
    Head.objects.update(number=2, digest=Seal.objects.get(pk=2).digest)
    assert verify_audit(heads={}, max_wait=timedelta()).rows == 6
    assert fault({3: noted}) == (Wrong.OTHER_HEAD, None, 3)


def test_an_old_head_stays_good_while_the_chain_grows(chain):
    noted = str(Head.objects.get())
    write(4)
    seal_waiting()
    output = StringIO()
    call_command("verify_audit", "--head", noted, "--head", str(Head.objects.get()), stdout=output)
    assert output.getvalue().splitlines() == [
        "13 rows in 4 seals are as they were sealed.",
        f"The head to note: {Head.objects.get()}",
    ]


def test_the_command_says_what_is_wrong_and_fails(chain):
    tamper("UPDATE audit_auditentry SET action = 'x' WHERE id = %s", chain[1][0])
    with pytest.raises(CommandError, match=f"changed: row {chain[1][0]}, sealed in 2, was changed"):
        call_command("verify_audit")


def test_the_command_speaks_json(chain):
    write(1)
    output = StringIO()
    call_command("verify_audit", "--json", stdout=output)
    said = json.loads(output.getvalue())
    assert said.pop("waiting_seconds") >= 0
    assert said == {"ok": True, "rows": 9, "seals": 3, "head": str(Head.objects.get()), "unsealed": 1}
    tamper("DELETE FROM audit_auditentry WHERE id = %s", chain[0][0])
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", "--json", stdout=output)
    assert ended.value.code == 1
    assert json.loads(output.getvalue()) == {
        "ok": False,
        "wrong": "removed",
        "row": chain[0][0],
        "seal": 1,
        "detail": f"row {chain[0][0]}, sealed in 1, was removed",
    }


@pytest.mark.parametrize("head", ["", "1", "0:" + "0" * 64, "1:" + "g" * 64, "1:" + "0" * 63, "-1:" + "0" * 64])
def test_a_head_that_is_none_is_refused(head):
    with pytest.raises(CommandError, match="a head is NUMBER:DIGEST"):
        call_command("verify_audit", f"--head={head}")


def test_an_empty_audit_is_good():
    assert verify_audit(heads={}, max_wait=timedelta()).rows == AuditEntry.objects.count() == 0
