"""Every audit row gets its seal, in one chain, whoever commits when, and nobody waits for the sealer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from django.db import IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import InternalError
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from luxewin.audit import canonical, sealing
from luxewin.audit.models import AuditEntry, Head, Seal, Unsealed
from luxewin.audit.sealing import seal_batch, seal_waiting
from luxewin.audit.services import record, record_all
from luxewin.audit.verifying import verify_audit
from purchases.tests.stage import DelayedCall, at_once

WRITE = """
    INSERT INTO audit_auditentry (action, subject_type, subject_id, before, after, request_id)
    VALUES ('test.written', 'user', %s, '{}', '{}', '') RETURNING id
"""
SOME = User(email="somebody@example.com")
real_commits = pytest.mark.django_db(transaction=True)


def write(count: int = 1) -> list[int]:
    record_all("test.written", [(SOME, {"number": number}) for number in range(count)])
    return list(AuditEntry.objects.order_by("-id").values_list("id", flat=True)[:count])[::-1]


def verified(max_wait: timedelta = timedelta(minutes=10)) -> Any:
    return verify_audit(heads={}, max_wait=max_wait)


@contextmanager
def another_session() -> Iterator[BaseDatabaseWrapper]:
    """A second connection with a transaction of its own, which must not wait for locks."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        other.cursor().execute("SET lock_timeout = '1ms'")
        yield other
    finally:
        other.close()


def write_in(other: BaseDatabaseWrapper) -> int:
    with other.cursor() as cursor:
        cursor.execute(WRITE, ["late"])
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_what_was_written_is_sealed_once_in_a_chain():
    first = write(3)
    assert seal_waiting() == 3
    second = write(2)
    assert seal_waiting() == 2
    assert seal_waiting() == 0
    one, two = Seal.objects.order_by("number")
    assert (one.entries, two.entries) == (first, second)
    assert (one.previous, two.previous) == ("0" * 64, one.digest)
    assert str(Head.objects.get()) == f"2:{two.digest}"
    assert not Unsealed.objects.exists()
    seen = verified()
    assert (seen.rows, seen.seals, seen.head, seen.unsealed) == (5, 2, two.digest, 0)


@pytest.mark.django_db
def test_many_rows_get_several_seals_of_which_the_last_is_whole(monkeypatch):
    monkeypatch.setattr(sealing, "BATCH", 4)
    write(10)
    assert seal_waiting() == 10
    sizes = [(len(seal.entries), seal.is_whole) for seal in Seal.objects.order_by("number")]
    assert sizes == [(4, False), (4, False), (2, True)]
    assert verified().rows == 10


@pytest.mark.django_db
def test_the_workers_sweep_seals(run_tasks):
    write(3)
    run_tasks()
    assert not Unsealed.objects.exists()
    assert verified().seals
    assert Head.objects.get().claimed_until is None


@real_commits
def test_a_row_that_commits_late_is_lost_to_who_goes_by_the_highest_id():
    """What sealing must not do: the id was given before, and comes into sight after."""
    with another_session() as other:
        late = write_in(other)
        sealed = set(write(2))
        highest = max(sealed)
        other.commit()
        write(1)
        sealed |= set(AuditEntry.objects.filter(id__gt=highest).values_list("id", flat=True))
    assert set(AuditEntry.objects.values_list("id", flat=True)) - sealed == {late}


@real_commits
def test_a_row_that_commits_late_is_in_the_next_seal():
    with another_session() as other:
        late = write_in(other)
        early = write(2)
        assert seal_waiting() == 2
        other.commit()
        newer = write(1)
        assert seal_waiting() == 2
    assert late < early[0]
    assert list(Seal.objects.order_by("number").values_list("entries", flat=True)) == [early, [late, *newer]]
    assert verified().rows == 4


@real_commits
def test_a_row_that_is_rolled_back_leaves_nothing():
    with another_session() as other:
        write_in(other)
        write(1)
        other.rollback()
    assert seal_waiting() == 1
    assert verified().rows == 1


@real_commits
def test_sealing_waits_for_no_writer():
    with another_session() as other, connection.cursor() as cursor:
        write_in(other)
        write(1)
        cursor.execute("SET lock_timeout = '1ms'")
        assert seal_waiting() == 1
        cursor.execute("RESET lock_timeout")


@real_commits
def test_no_writer_waits_for_sealing():
    write(2)
    with another_session() as other:
        with transaction.atomic():
            assert seal_batch() == 2
            write_in(other)
            other.commit()
        assert seal_waiting() == 1


def _two_sealers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The first is held up when it has taken its rows; meanwhile another row is written, and a second sealer comes."""
    Head.objects.create(pk=1)
    write(1)
    late = DelayedCall(monkeypatch, sealing, "read_rows", patience=0.5)

    def second() -> int:
        write(1)
        return seal_batch()

    return at_once(seal_batch, late.meanwhile(second))


@real_commits
def test_without_the_heads_lock_two_sealers_make_the_same_seal_and_the_database_refuses_one(
    monkeypatch, without_row_locks
):
    sealed, refused = _two_sealers(monkeypatch)
    assert sealed == 1
    assert isinstance(refused, IntegrityError)


@real_commits
def test_two_sealers_make_one_chain(monkeypatch):
    assert _two_sealers(monkeypatch) == [1, 1]
    assert [seal.number for seal in Seal.objects.order_by("number")] == [1, 2]
    assert verified().rows == 2


class Killed(BaseException):
    """The process ends here."""


@real_commits
@pytest.mark.parametrize("step", ["_locked_head", "_database_time", "_taken", "read_rows", "seal_digest"])
def test_a_sealer_that_dies_leaves_a_chain_that_goes_on(monkeypatch, step):
    write(1)
    seal_waiting()
    write(2)

    def dies(*arguments: Any, **named: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(sealing, step, dies)
        with pytest.raises(Killed):
            seal_waiting()
    assert (Seal.objects.count(), Unsealed.objects.count()) == (1, 2)
    assert seal_waiting() == 2
    assert verified().rows == 3


@real_commits
def test_a_sealer_that_dies_before_its_end_leaves_all_of_it_undone():
    write(2)

    def seals_and_dies() -> None:
        with transaction.atomic():
            seal_batch()
            raise Killed

    with pytest.raises(Killed):
        seals_and_dies()
    assert (Seal.objects.count(), Unsealed.objects.count(), Head.objects.filter(number__gt=0).count()) == (0, 2, 0)
    assert seal_waiting() == 2
    assert verified().rows == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", ["UPDATE audit_seal SET number = 9", "DELETE FROM audit_seal", "TRUNCATE audit_seal"]
)
def test_the_database_refuses_to_change_seals(change):
    write(1)
    seal_waiting()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@pytest.mark.django_db
def test_numbers_are_sealed_to_the_last_digit():
    """What a float would lose: integers beyond 2^53, more digits than 17, and the 0 at the end of 1.10."""
    pairs = [("12345678901234567890", "12345678901234567891"), ("1.1", "1.10"), ("0.1", "0.1000000000000000055")]
    for one, other in pairs:
        digests = set()
        for number in (one, other):
            with connection.cursor() as cursor:
                cursor.execute(WRITE.replace("'{}', ''", f"""'{{"n": {number}}}', ''"""), ["numbers"])
                (entry_id,) = cursor.fetchone()
            digests.add(canonical.read_rows([entry_id])[entry_id].under(0))
        assert len(digests) == 2
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE.replace("'{}', ''", """'{"n": 1e400, "text": "\\u00e9 \\u2028 \\ud83d\\ude00"}', ''"""), ["x"]
        )
    seal_waiting()
    assert verified().rows == 7


@pytest.mark.django_db
def test_the_bytes_of_a_row_are_what_is_documented():
    record("test.written", SOME, before={"b": 1, "a": [True, None]}, after={"é": 1.5})
    entry = AuditEntry.objects.latest("id")
    row = canonical.read_rows([entry.pk])[entry.pk]
    assert row.values == {
        "id": str(entry.pk),
        "at": f"{entry.at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "actor": None,
        "action": "test.written",
        "subject_type": "user",
        "subject_id": str(SOME.pk),
        "before": '{"a": [true, null], "b": 1}',
        "after": '{"é": 1.5}',
        "address": None,
        "request_id": "",
    }


TEXTS = st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.sampled_from([*canonical.COLUMNS, "rows"]), TEXTS | st.lists(st.lists(TEXTS))))
def test_the_bytes_are_those_of_rfc_8785(content):
    assert canonical.canonical(content) == rfc8785.dumps(content)


def test_every_column_is_sealed():
    """A new column needs a new version of the bytes."""
    assert list(canonical.COLUMNS) == [field.column for field in AuditEntry._meta.concrete_fields]


@pytest.mark.django_db
def test_the_head_is_logged(caplog):
    caplog.set_level("INFO")
    sealing.log_head()
    assert not caplog.records
    write(1)
    seal_waiting()
    sealing.log_head()
    assert str(Head.objects.get()) in caplog.text


@pytest.mark.django_db
def test_rows_can_still_not_be_changed():
    write(1)
    for change in ("UPDATE audit_auditentry SET action = 'x'", "DELETE FROM audit_auditentry"):
        with pytest.raises((IntegrityError, InternalError), match="append-only"), transaction.atomic():
            connection.cursor().execute(change)
