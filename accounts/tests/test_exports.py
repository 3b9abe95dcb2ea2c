"""Exports: everything held on a person, once a day, made by a worker, fetched by the mailed link alone."""

import io
import json
import re
from datetime import timedelta
from zipfile import ZipFile

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from accounts import services, tasks
from accounts.models import Export, ExportPart, Notification, RetentionRule
from accounts.notifications import notify
from accounts.privacy import archives
from accounts.privacy.exports import AREAS
from accounts.services import exports
from luxewin.audit.models import AuditEntry
from luxewin.tasks.queue import enqueue
from luxewin.tests.asking import assert_problem, client_of, nothing_written

EXPORT = "/api/v1/users/export"


def _link(user) -> str:
    sent = next(message for message in reversed(mail.outbox) if "/export?token=" in message.body)
    assert sent.to == [user.email]
    return re.search(r"(/export\?token=\S+)", sent.body)[1]


def _fetch(link: str):
    return Client().post("/export", {"token": link.partition("token=")[2]})


def _files(answer) -> dict[str, object]:
    with ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in texts.items()}


@pytest.fixture
def ready(alice, run_tasks) -> str:
    """The link to Alice's archive."""
    client_of(alice).post(EXPORT)
    run_tasks()
    return _link(alice)


def test_an_archive_is_asked_for_made_mailed_and_fetched(alice, run_tasks):
    client = client_of(alice)
    assert client.get(EXPORT).json()["status"] == "none"
    asked = client.post(EXPORT)
    assert (asked.status_code, asked.json()["status"]) == (202, "waiting")
    run_tasks()
    shown = client.get(EXPORT).json()
    assert shown["status"] == "ready"
    answer = _fetch(_link(alice))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert int(answer["Content-Length"]) == shown["size"]
    files = _files(answer)
    assert files["account/profile.json"][0]["email"] == alice.email
    assert set(files) >= {"README.txt", "account/sessions.json", "account/audit.json", "purchases/tickets.csv"}
    actions = set(AuditEntry.objects.filter(subject_id=str(alice.pk)).values_list("action", flat=True))
    assert actions >= {"user.export_requested", "user.exported", "user.export_fetched"}


def test_nothing_of_others_and_no_secret_is_in_it(alice, bob, run_tasks):
    alice.set_password("correct horse battery staple")
    alice.save()
    for each in (alice, bob):
        notify(each, "draw_lost", about="x", raffle="R", raffle_id="1")
        client_of(each).patch("/api/v1/users/preferences", {"time_zone": "Europe/Vienna"})
    client_of(alice).post(EXPORT)
    run_tasks()
    text = json.dumps(_files(_fetch(_link(alice))))
    for secret in (bob.email, str(bob.pk), alice.password, str(alice.sessions.first().token_id)):
        assert secret not in text
    assert str(alice.pk) in text


def test_whom_the_audit_names_beside_the_person_is_not_in_it(alice, sam, run_tasks):
    services.request_export(alice, actor=sam)
    run_tasks()
    rows = _files(_fetch(_link(alice)))["account/audit.json"]
    asked = next(row for row in rows if row["action"] == "user.export_requested")
    assert asked["by"] == "others"
    assert str(sam.pk) not in json.dumps(rows)


def test_what_staff_did_to_others_is_not_in_their_own_archive(alice, sam, run_tasks):
    services.request_export(alice, actor=sam)
    services.request_export(sam, actor=sam)
    run_tasks()
    done = [row for row in _files(_fetch(_link(sam)))["account/audit.json"] if row["subject_id"] == str(alice.pk)]
    assert [(row["action"], row["by"], row["after"]) for row in done] == [("user.export_requested", "you", {})]


def test_one_a_day(alice, ready):
    client = client_of(alice)
    with nothing_written():
        refused = client.post(EXPORT)
    problem = assert_problem(refused, 429, "export_too_soon")
    assert 0 < int(refused["Retry-After"]) <= 86_400
    assert problem["again_at"]
    Export.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert client.post(EXPORT).status_code == 202


def test_of_two_at_once_one_is_made(alice):
    """The database has the last word, whoever looked when."""
    Export.objects.create(user=alice, created_at=timezone.now() - timedelta(days=2))
    assert_problem(client_of(alice).post(EXPORT), 429, "export_too_soon")
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'export_one_waiting'")
        assert "UNIQUE" in cursor.fetchone()[0]


def test_whose_address_is_not_verified_gets_none(charlie):
    assert_problem(client_of(charlie).post(EXPORT), 403, "email_not_verified")


def test_opening_the_link_fetches_nothing_so_that_scanners_of_mail_do_not(alice, ready):
    with nothing_written():
        page = Client().get(ready)
    assert page.status_code == 200
    assert b"Download" in page.content


@pytest.mark.parametrize("change", ["expired", "address", "password", "removed", "garbled"])
def test_a_link_that_is_over_opens_nothing(change, alice, ready):
    link = ready
    if change == "expired":
        Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif change == "address":
        alice.email = "other@example.com"
    elif change == "password":
        alice.set_password("another good secret")
    elif change == "removed":
        Export.objects.all().delete()
    else:
        link = ready[:-2]
    alice.save()
    assert _fetch(link).status_code == 400


def test_a_link_for_one_purpose_is_good_for_no_other(alice, ready):
    token = ready.partition("token=")[2]
    assert Client().post("/keep-account", {"token": token}).status_code == 400
    assert Client().post(f"/unsubscribe?token={token}").status_code == 400


def test_a_long_archive_is_kept_and_fetched_in_parts(alice, monkeypatch, run_tasks):
    monkeypatch.setattr(exports, "PART_BYTES", 500)
    client_of(alice).post(EXPORT)
    run_tasks()
    assert ExportPart.objects.count() > 3
    assert max(len(bytes(part.content)) for part in ExportPart.objects.all()) == 500
    assert _files(_fetch(_link(alice)))["account/profile.json"]


def test_more_than_an_archive_may_have_is_given_up_and_can_be_asked_for_again(alice, monkeypatch, run_tasks):
    monkeypatch.setattr(archives, "MAX_BYTES", 10)
    client = client_of(alice)
    client.post(EXPORT)
    run_tasks()
    assert client.get(EXPORT).json()["status"] == "failed"
    assert not Notification.objects.mails().filter(kind="export_ready").exists()
    assert client.post(EXPORT).status_code == 202


def test_a_worker_that_dies_each_time_makes_it_fail_and_not_run_forever(alice, monkeypatch):
    export = services.request_export(alice, actor=alice)
    with monkeypatch.context() as dying:
        dying.setattr(exports, "write_archive", lambda user, file: 1 / 0)
        for _ in range(Export.MAX_ATTEMPTS):
            with pytest.raises(ZeroDivisionError):
                services.make_export(export.pk)
    services.make_export(export.pk)
    export.refresh_from_db()
    assert export.status == Export.Status.FAILED


def test_a_task_that_runs_twice_makes_one_archive(alice, ready):
    before = Export.objects.get().ready_at
    tasks.make_export(str(Export.objects.get().pk))
    assert Export.objects.get().ready_at == before
    assert Notification.objects.mails().filter(kind="export_ready").count() == 1


@pytest.fixture
def waiting(people) -> None:
    """Five people wait for their archives, and the queue is empty."""
    for each in people(5):
        services.request_export(each, actor=each)
    OrmQ.objects.all().delete()


def test_one_archive_is_made_at_a_time(waiting):
    assert [tasks.make_waiting_exports() for _ in range(3)] == [1, 0, 0]
    tasks.make_export(OrmQ.objects.get().task["args"][0])
    OrmQ.objects.all().delete()
    assert tasks.make_waiting_exports() == 1


def test_an_archive_gives_way_to_other_work_but_not_for_ever(waiting):
    enqueue(tasks.make_export, "something else")
    assert tasks.make_waiting_exports() == 0
    Export.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert tasks.make_waiting_exports() == 1


def test_the_audit_is_read_by_its_indexes_however_long_it_is(alice):
    # Of a handful of rows PostgreSQL takes any index.
    others = (
        AuditEntry(action="raffle.closed", subject_type="raffles.raffle", subject_id=f"{n}") for n in range(5_000)
    )
    AuditEntry.objects.bulk_create(others)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as asked:
        cursor.execute("ANALYZE audit_auditentry")
        cursor.execute("SET LOCAL enable_seqscan = off")
        list(AREAS["account/audit.json"].rows(alice))
        statements = [each["sql"] for each in asked if 'FROM "audit_auditentry' in each["sql"]]
        assert len(statements) == 2
        for statement in statements:
            cursor.execute("EXPLAIN " + statement[statement.index("SELECT") :])
            plan = " ".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan" not in plan
            assert "audit_auditentry_pkey" not in plan


def test_what_one_did_to_oneself_is_in_it_once_and_all_of_it_in_order(alice, sam):
    client = client_of(alice)
    client.patch("/api/v1/users/preferences", {"time_zone": "Europe/Vienna"})
    services.request_export(alice, actor=sam)
    client.patch("/api/v1/users/profile", {"display_name": "Alicia"})
    rows = list(AREAS["account/audit.json"].rows(alice))
    assert [row["action"] for row in rows] == ["preferences.updated", "user.export_requested", "user.updated"]
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})


def test_a_deletion_that_came_first_leaves_no_archive(alice, monkeypatch):
    export = services.request_export(alice, actor=alice)
    real = exports.write_archive

    def forgotten_meanwhile(user, file):
        real(user, file)
        Export.objects.filter(pk=export.pk).delete()

    monkeypatch.setattr(exports, "write_archive", forgotten_meanwhile)
    services.make_export(export.pk)
    assert not ExportPart.objects.exists()


def test_its_link_lives_as_long_as_the_rule_says(alice, run_tasks):
    RetentionRule.objects.filter(pk="exports").update(keep_days=2)
    client_of(alice).post(EXPORT)
    run_tasks()
    export = Export.objects.get()
    assert export.expires_at - export.ready_at == timedelta(days=2)


def test_a_closed_account_s_archive_that_was_asked_for_before_can_be_fetched(alice, run_tasks):
    services.request_export(alice, actor=alice)
    services.request_deletion(alice, actor=alice)
    run_tasks()
    assert _files(_fetch(_link(alice)))["account/profile.json"][0]["email"] == alice.email


def test_support_has_one_made_for_a_closed_account(alice, sam, person, run_tasks):
    services.close_account(alice, actor=person("root", is_superuser=True), reason="They charged back.")
    services.request_export(alice, actor=sam, reason="They wrote a letter.")
    run_tasks()
    files = _files(_fetch(_link(alice)))
    asked = next(row for row in files["account/audit.json"] if row["action"] == "user.export_requested")
    assert asked["after"]["reason"] == "They wrote a letter."


def test_it_says_why_things_are_held_who_gets_them_and_where_to_complain(ready):
    text = " ".join(_files(_fetch(ready))["README.txt"].split())
    for said in ("Art. 6(1)(b)", "Art. 6(1)(c)", "Stripe", "right to complain", "supervisory authority", "rectif"):
        assert said in text
