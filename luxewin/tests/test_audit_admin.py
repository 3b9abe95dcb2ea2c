"""What auditors see of the audit in the back office, and take along."""

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from luxewin.audit import canonical
from luxewin.audit.models import AuditEntry, Seal
from luxewin.audit.sealing import seal_waiting
from luxewin.audit.services import record
from luxewin.tests.test_audit_sealing import write

pytestmark = pytest.mark.django_db
ROWS, SEALS = "/admin/audit/auditentry/", "/admin/audit/seal/"


@pytest.fixture
def desk(audrey: User, settings: Any) -> Client:
    settings.STAFF_SECOND_FACTOR = False
    client = Client()
    client.force_login(audrey)
    return client


def test_each_row_says_which_seal_covers_it(desk):
    first = write(2)
    seal_waiting()
    (waiting,) = write(1)
    shown = desk.get(ROWS).context["cl"].result_list
    seals = {entry.pk: entry.seal_number for entry in shown}
    assert (seals[first[0]], seals[first[1]], seals[waiting]) == (1, 1, None)
    assert b"not sealed yet" in desk.get(f"{ROWS}{waiting}/change/").content
    assert desk.get(f"{ROWS}{first[0]}/change/").status_code == 200


def test_the_newest_seal_and_its_digest_come_first(desk):
    write(1)
    seal_waiting()
    write(1)
    seal_waiting()
    page = desk.get(SEALS).content.decode()
    newest, before = Seal.objects.order_by("-number")
    assert page.index(newest.digest) < page.index(before.digest)
    assert desk.get(f"{SEALS}{newest.pk}/change/").status_code == 200


@pytest.mark.parametrize("by", ["subject", "actor", "request", "nobody", "no id"])
def test_rows_are_found_by_the_whole_id_of_subject_actor_or_request(desk, alice, bob, by):
    record("user.sought", alice, actor=bob)
    AuditEntry(action="user.sought", subject_type="user", subject_id="other", request_id="request-1").save()
    words = {"subject": str(alice.pk), "actor": str(bob.pk), "request": "request-1", "nobody": "0" * 32, "no id": "al'"}
    answer = desk.get(ROWS, {"q": words[by], "kind": "user"})
    assert answer.status_code == 200
    assert answer.context["cl"].result_count == (by in {"subject", "actor", "request"})


def test_rows_are_filtered_by_kind_and_found_by_action_and_no_page_looks_through_all_for_its_filters(desk, alice):
    record("user.sought", alice)
    record("raffle.sought", alice)
    with CaptureQueriesContext(connection) as asked:
        shown = desk.get(ROWS, {"kind": "raffle"}).context["cl"].result_list
    assert [entry.action for entry in shown] == ["raffle.sought"]
    assert not [each for each in asked if "DISTINCT" in each["sql"]]
    assert [entry.action for entry in desk.get(ROWS, {"q": "user.sought"}).context["cl"].result_list] == ["user.sought"]


def test_an_export_holds_each_row_as_it_is_sealed_and_is_itself_recorded(desk, audrey):
    ids = write(3)
    seal_waiting()
    chosen = {"action": "export", "_selected_action": ids[:2]}
    answer = desk.post(ROWS, chosen)
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    rows = canonical.read_rows(ids)
    for line, entry_id in zip(lines, ids[:2], strict=True):
        assert line.pop("seal") == "1"
        assert line == {name: value or "" for name, value in rows[entry_id].values.items()}
    entry = AuditEntry.objects.get(action="audit.exported")
    assert (entry.actor, entry.after) == (audrey.pk, {"rows": 2})


def test_all_rows_of_a_filter_are_exported_in_parts(desk, monkeypatch):
    monkeypatch.setattr("luxewin.audit.admin.AT_ONCE", 2)
    ids = write(5)
    everything = {"action": "export", "_selected_action": ids[:1], "select_across": "1"}
    answer = desk.post(f"{ROWS}?q=test.written", everything)
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [int(line["id"]) for line in lines] == ids
    assert {line["seal"] for line in lines} == {""}
