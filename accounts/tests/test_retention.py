"""Retention: how long things are kept is data, what code keeps in any case is not, and a sweep holds to both."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_q.models import Task

from accounts import services, tasks
from accounts.models import (
    EmailChange,
    ExcludedAddress,
    Export,
    LinkRequest,
    Notification,
    RetentionRule,
    Session,
    SignInDelay,
    User,
)
from accounts.privacy import erasure
from accounts.privacy.retention import REMOVERS
from accounts.services import deletion, retention
from accounts.tests.guarding import publish
from accounts.tokens import open_session
from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import nothing_written


def _ago(days: float):
    return timezone.now() - timedelta(days=days)


def test_every_rule_has_its_effect_and_every_effect_its_rule(db):
    rules = {rule.what: rule for rule in RetentionRule.objects.all()}
    assert set(rules) == set(REMOVERS)
    for what, rule in rules.items():
        assert rule.keep_days >= REMOVERS[what].floor_days, what
        assert rule.why, what


@pytest.mark.parametrize("what", REMOVERS)
def test_no_rule_reaches_ledger_proofs_or_audit(what, db):
    app = REMOVERS[what].due(timezone.now()).model._meta.label
    kept = {"purchases.Purchase", "purchases.Refund", "purchases.Dispute", "purchases.PostalEntry", "audit.AuditEntry"}
    assert app not in kept
    # What is removed of a claim is where the prize went, never that there was one.
    assert app == "verification.Claim" or not app.startswith(("verification.", "raffles."))


def test_sessions_go_so_long_after_their_end(alice):
    open_session(alice, user_agent="alive")
    for name, change in {
        "ended": {"ended_at": _ago(91)},
        "ended lately": {"ended_at": _ago(89)},
        "idle": {"last_used_at": _ago(121)},
        "idle lately": {"last_used_at": _ago(119)},
        "old": {"created_at": _ago(181)},
    }.items():
        open_session(alice, user_agent=name)
        Session.objects.filter(user_agent=name).update(**change)
    assert services.apply_rule("ended_sessions") == 3
    assert set(Session.objects.values_list("user_agent", flat=True)) == {"alive", "ended lately", "idle lately"}


def test_what_stood_in_messages_goes_and_that_they_were_sent_stays(alice):
    for number, (status, days) in enumerate([("accepted", 366), ("failed", 366), ("accepted", 364), ("queued", 366)]):
        facts = {"status": status, "created_at": _ago(days), "context": {"raffle": "R"}, "error": "no such mailbox"}
        Notification.objects.create(user=alice, kind="draw_lost", dedupe_key=str(number), **facts)
    assert services.apply_rule("message_contents") == 2
    told = Notification.objects.mails().order_by("dedupe_key").values_list("context", "error")
    assert [bool(context or error) for context, error in told] == [False, False, True, True]


def test_accounts_that_nobody_verified_go_with_all_that_hangs_on_them(person, run_tasks):
    old, new, verified = person("old", verified=False), person("new", verified=False), person("verified")
    for each in (old, verified):
        open_session(each, user_agent="x")
        User.objects.filter(pk=each.pk).update(joined_at=_ago(31))
    assert services.apply_rule("unverified_accounts") == 1
    assert set(User.objects.values_list("email", flat=True)) == {new.email, verified.email}


def test_an_unverified_account_on_which_something_hangs_is_emptied(person):
    user = person("hung", verified=False)
    publish("1")
    services.accept_terms(user, version="1")
    User.objects.filter(pk=user.pk).update(joined_at=_ago(31))
    for _ in range(2):
        services.apply_rule("unverified_accounts")
    user.refresh_from_db()
    assert user.is_deleted
    assert AuditEntry.objects.filter(action="user.deleted").count() == 1


def _long_unverified(person, *names) -> list[User]:
    made = [person(name, verified=False) for name in names]
    User.objects.filter(pk__in=[each.pk for each in made]).update(joined_at=_ago(31))
    return made


def test_an_unverified_account_stays_while_something_stands_in_the_way(person, monkeypatch):
    owed, free = _long_unverified(person, "owed", "free")
    monkeypatch.setattr(erasure, "OBSTACLES", [lambda user: [erasure.Obstacle("owed", "d")] * (user == owed)])
    for _ in range(2):
        services.apply_rule("unverified_accounts")
    assert list(User.objects.filter(pk__in=[owed.pk, free.pk])) == [owed]
    assert User.objects.get(pk=owed.pk).email == owed.email
    monkeypatch.setattr(erasure, "OBSTACLES", [])
    assert services.apply_rule("unverified_accounts") == 1


def test_one_account_that_cannot_go_holds_up_no_other_and_keeps_all_it_has(person, monkeypatch, caplog):
    bad, *good = _long_unverified(person, *"abcde")
    open_session(bad, user_agent="x")

    def fail(user):
        if user == bad:
            raise IntegrityError("no")

    monkeypatch.setattr(deletion, "ERASERS", [*deletion.ERASERS, fail])
    rule = RetentionRule.objects.get(pk="unverified_accounts")
    monkeypatch.setitem(REMOVERS, rule.pk, replace(REMOVERS[rule.pk], batch=2))
    assert services.apply_rule("unverified_accounts") == 4
    assert list(User.objects.filter(pk__in=[each.pk for each in (bad, *good)])) == [bad]
    assert Session.objects.filter(user=bad).exists()
    assert f"account {bad.pk} cannot be removed" in caplog.text
    # The rule is through all the same, and no worker is kept busy with it until tomorrow.
    rule.refresh_from_db()
    assert rule.ran_at > _ago(1)


def test_few_people_go_in_one_transaction_and_the_audit_has_its_row_in_each(person, monkeypatch):
    assert REMOVERS["unverified_accounts"].batch <= 20
    _long_unverified(person, *"abcde")
    monkeypatch.setitem(REMOVERS, "unverified_accounts", replace(REMOVERS["unverified_accounts"], batch=2))
    services.apply_rule("unverified_accounts")
    rows = AuditEntry.objects.filter(action="retention.applied").order_by("id")
    assert [row.after["removed"] for row in rows] == [2, 2, 1]


def test_nothing_is_removed_without_its_row_in_the_audit(alice, monkeypatch):
    SignInDelay.objects.create(key=b"k", failures=3, last_at=_ago(2))
    monkeypatch.setattr(retention, "record", lambda *said, **facts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        services.apply_rule("sign_in_delays")
    assert SignInDelay.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_somebody_who_is_busy_is_left_to_the_next_run(person):
    busy, free = _long_unverified(person, "busy", "free")

    def run() -> int:
        try:
            return services.apply_rule("unverified_accounts")
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        User.objects.select_for_update().get(pk=busy.pk)
        assert pool.submit(run).result(30) == 1
    assert list(User.objects.filter(pk__in=[busy.pk, free.pk])) == [busy]
    assert services.apply_rule("unverified_accounts") == 1


def test_a_rules_run_ends_well_before_its_task_is_killed():
    assert settings.Q_CLUSTER["timeout"] / 2 >= retention.BUDGET_SECONDS


def test_background_work_that_failed_goes_with_what_its_errors_say(db):
    for number, (success, days) in enumerate([(False, 31), (False, 29), (True, 31)]):
        told = {"id": str(number), "name": "n", "func": "f", "started": _ago(days), "stopped": _ago(days)}
        Task.objects.create(**told, success=success, result="Key (email)=(z@example.com) already exists.")
    assert services.apply_rule("failed_tasks") == 1
    assert services.apply_rule("finished_tasks") == 1
    assert Task.objects.get().pk == "1"


def test_staff_and_whoever_has_rights_stay_however_old(person, mona):
    User.objects.update(email_verified_at=None, joined_at=_ago(400))
    assert services.apply_rule("unverified_accounts") == 0


def test_what_was_only_ever_on_its_way_goes(alice):
    LinkRequest.objects.create(kind="verify_email", email="a@example.com", created_at=_ago(8))
    SignInDelay.objects.create(key=b"k", failures=3, last_at=_ago(2))
    EmailChange.objects.create(user=alice, email="b@example.com", created_at=_ago(2))
    ExcludedAddress.objects.create(digest=b"over", until=_ago(1))
    ExcludedAddress.objects.create(digest=b"forever", until=None)
    Export.objects.create(user=alice, status="ready", ready_at=_ago(8), expires_at=_ago(1))
    for what in ("link_requests", "sign_in_delays", "address_changes", "excluded_addresses", "exports"):
        assert services.apply_rule(what) == 1, what
        assert services.apply_rule(what) == 0, what


def test_the_audit_has_a_row_for_what_a_run_removed_and_none_for_nothing(alice):
    EmailChange.objects.create(user=alice, email="b@example.com", created_at=_ago(2))
    for _ in range(2):
        services.apply_rule("address_changes")
    row = AuditEntry.objects.get(action="retention.applied")
    assert (row.subject_id, row.after["removed"]) == ("address_changes", 1)


def test_many_go_in_batches(person, monkeypatch):
    monkeypatch.setitem(REMOVERS, "sign_in_delays", replace(REMOVERS["sign_in_delays"], batch=2))
    for number in range(5):
        SignInDelay.objects.create(key=bytes([number]), failures=3, last_at=_ago(2))
    assert services.apply_rule("sign_in_delays") == 5


def test_what_one_run_does_not_get_through_is_due_again(db, monkeypatch):
    monkeypatch.setattr(retention, "BUDGET_SECONDS", -1)
    SignInDelay.objects.create(key=b"k", failures=3, last_at=_ago(2))
    RetentionRule.objects.update(ran_at=_ago(2))
    services.apply_rule("sign_in_delays")
    assert RetentionRule.objects.get(pk="sign_in_delays").ran_at < _ago(1)


def test_the_sweep_comes_once_a_day_and_for_the_first_time_after_one(db, run_tasks):
    SignInDelay.objects.create(key=b"k", failures=3, last_at=_ago(2))
    RetentionRule.objects.update(ran_at=None)
    run_tasks()
    assert SignInDelay.objects.exists()
    RetentionRule.objects.update(ran_at=_ago(1.1))
    run_tasks()
    assert not SignInDelay.objects.exists()
    assert not RetentionRule.objects.filter(ran_at__lt=_ago(1)).exists()


def test_below_the_floor_no_rule_is_set_and_none_counts(alice, mona):
    with pytest.raises(InvalidInput):
        services.change_rule("message_contents", keep_days=29, why="w", actor=mona)
    RetentionRule.objects.filter(pk="message_contents").update(keep_days=0)
    fresh = {"status": "accepted", "created_at": _ago(29), "context": {"raffle": "R"}}
    Notification.objects.create(user=alice, kind="draw_lost", dedupe_key="1", **fresh)
    assert services.apply_rule("message_contents") == 0


def test_a_change_of_a_rule_in_the_back_office_is_audited_with_who_made_it(person, client):
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    client.force_login(root)
    page = "/admin/accounts/retentionrule/exports/change/"
    assert b"at least" in client.post(page, {"keep_days": 0, "why": "None."}).content
    assert client.post(page, {"keep_days": 3, "why": "Shorter is enough."}).status_code == 302
    row = AuditEntry.objects.get(action="retention.changed")
    assert (row.actor, row.before["keep_days"], row.after["keep_days"]) == (root.pk, 7, 3)


def test_others_see_the_rules_and_change_none(sam, client):
    client.force_login(sam)
    page = "/admin/accounts/retentionrule/exports/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"keep_days": 3, "why": "w"}).status_code == 403


def test_the_command_counts_or_removes(db, capsys):
    SignInDelay.objects.create(key=b"k", failures=3, last_at=_ago(2))
    with nothing_written():
        call_command("retention", "--dry-run")
    assert "sign_in_delays (1 days; failed sign-ins): 1 due" in capsys.readouterr().out
    call_command("retention")
    assert "sign_in_delays (1 days; failed sign-ins): 1 removed" in capsys.readouterr().out


def test_the_tasks_name_is_the_rules(db):
    SignInDelay.objects.create(key=b"k", failures=3, last_at=_ago(2))
    tasks.apply_rule("sign_in_delays")
    assert not SignInDelay.objects.exists()
