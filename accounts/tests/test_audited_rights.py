"""Every change of rights is in the audit, with before and after, whichever door it came through."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from accounts.roles import ROLES, grant_roles
from luxewin.audit.models import AuditEntry

pytestmark = pytest.mark.django_db


def rows(action: str) -> list[tuple[str, Any, dict[str, Any], dict[str, Any]]]:
    """Of whom, by whom, before and after."""
    found = AuditEntry.objects.filter(action=action).order_by("id")
    return list(found.values_list("subject_id", "actor", "before", "after"))


@pytest.fixture
def since(alice, bob, mona) -> None:
    """The cast's own roles were recorded before."""
    guards = "ALTER TABLE audit_auditentry {} TRIGGER USER"
    with connection.cursor() as cursor:
        cursor.execute(guards.format("DISABLE"))
        AuditEntry.objects.all().delete()
        cursor.execute(guards.format("ENABLE"))


@pytest.fixture
def root(person) -> User:
    root = person("root", is_superuser=True)
    root.is_staff = True
    root.save(update_fields=["is_staff"])
    return root


@pytest.fixture
def desk(root, settings) -> Client:
    """Root at the back office."""
    settings.STAFF_SECOND_FACTOR = False
    client = Client()
    client.force_login(root)
    return client


def page(user: User, **changes: Any) -> dict[str, Any]:
    """What the form of a person sends."""
    fields = {name: getattr(user, name) for name in ("email", "display_name", "date_of_birth", "country")}
    inline = {f"preferences-{name}_FORMS": 0 for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    why = {"reason": "A new colleague."}
    return {name: value for name, value in (fields | inline | why | changes).items() if value is not None}


def test_the_back_office_records_flags_and_groups_with_who_gave_them(since, desk, root, alice):
    finance = Group.objects.get(name="finance")
    form = page(alice, is_staff="on", groups=[finance.pk])
    assert desk.post(f"/admin/accounts/user/{alice.pk}/change/", form).status_code == 302
    assert rows("user.rights_changed")[-1] == (str(alice.pk), root.pk, {"is_staff": False}, {"is_staff": True})
    assert rows("user.groups_changed") == [(str(alice.pk), root.pk, {"groups": []}, {"groups": ["finance"]})]
    assert AuditEntry.objects.get(action="user.groups_changed").address == "127.0.0.1"


def test_a_deactivation_is_recorded_with_the_sessions_it_ends(since, desk, root, alice, api):
    api(alice)
    sent = {"action": "close", "_selected_action": [str(alice.pk)], "confirmed": "1", "reason": "They charged back."}
    assert desk.post("/admin/accounts/user/", sent).status_code == 302
    assert rows("user.rights_changed")[-1] == (str(alice.pk), root.pk, {"is_active": True}, {"is_active": False})
    after = {"sessions": 1, "because": "deactivated"}
    assert rows("user.signed_out_everywhere") == [(str(alice.pk), root.pk, {}, after)]


def test_a_password_set_in_the_back_office_is_recorded(since, desk, root, alice):
    words = {"password1": "wet-Otter-7-lamps", "password2": "wet-Otter-7-lamps", "reason": "They lost their mailbox."}
    assert desk.post(f"/admin/accounts/user/{alice.pk}/password/", words).status_code == 302
    after = {"sessions": 0, "because": "new password"}
    assert rows("user.signed_out_everywhere") == [(str(alice.pk), root.pk, {}, after)]


def test_a_superuser_made_on_the_command_line_is_recorded(since, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "wet-Otter-7-lamps")
    names = {"email": "new@example.com", "display_name": "New"}
    call_command("createsuperuser", interactive=False, verbosity=0, **names)
    before, after = ({"is_staff": flag, "is_superuser": flag} for flag in (False, True))
    made = User.objects.get(email="new@example.com")
    assert rows("user.rights_changed") == [(str(made.pk), None, before, after)]


def test_a_shell_is_recorded(since, alice):
    alice.is_superuser = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="refund_purchase"))
    assert [after for *_, after in rows("user.rights_changed")] == [{"is_superuser": True}]
    after = {"user_permissions": ["purchases.refund_purchase"]}
    assert [after for *_, after in rows("user.permissions_changed")] == [after]


def test_what_changes_no_right_records_none(since, alice, mona):
    alice.display_name = "Other"
    alice.save()
    alice.save(update_fields=["display_name"])
    mona.groups.add(Group.objects.get(name="raffle managers"))
    mona.groups.set([Group.objects.get(name="raffle managers")])
    grant_roles()
    assert not AuditEntry.objects.exists()


def test_groups_given_taken_and_cleared_from_either_side_are_recorded(since, alice, bob):
    finance, support = (Group.objects.get(name=name) for name in ("finance", "support"))
    alice.groups.add(finance, support)
    alice.groups.remove(support)
    alice.groups.clear()
    finance.user_set.add(alice, bob)
    finance.user_set.remove(alice)
    finance.user_set.clear()
    a, b, none = str(alice.pk), str(bob.pk), []
    changes = [(of, before["groups"], after["groups"]) for of, _, before, after in rows("user.groups_changed")]
    both, one = ["finance", "support"], ["finance"]
    expected = [(a, none, both), (a, both, one), (a, one, none)]
    assert changes[:3] == expected
    assert sorted(changes[3:5]) == sorted([(a, none, one), (b, none, one)])
    assert changes[5:] == [(a, one, none), (b, one, none)]


def test_permissions_of_a_role_are_recorded(since, mona):
    role, right = Group.objects.get(name="raffle managers"), Permission.objects.get(codename="refund_purchase")
    role.permissions.add(right)
    ((of, _, before, after),) = rows("group.permissions_changed")
    assert of == str(role.pk)
    assert set(after["permissions"]) - set(before["permissions"]) == {"purchases.refund_purchase"}
    assert set(before["permissions"]) == set(ROLES["raffle managers"])
    # From the other side it is taken from finance too.
    right.group_set.clear()
    taken = {of: (before, after) for of, _, before, after in rows("group.permissions_changed")[1:]}
    assert set(taken) == {str(role.pk), str(Group.objects.get(name="finance").pk)}
    assert taken[str(role.pk)] == (after, before)


def test_permissions_that_a_deployment_sets_right_are_recorded(since, mona):
    role = Group.objects.get(name="raffle managers")
    role.permissions.clear()
    grant_roles()
    lost, given = rows("group.permissions_changed")
    assert lost[2:] == given[:1:-1]
    assert set(given[3]["permissions"]) == set(ROLES["raffle managers"])


def test_roles_made_renamed_and_removed_are_recorded(since, bob):
    role = Group.objects.create(name="helpers")
    bob.groups.add(role)
    role.name = "others"
    role.save()
    key = str(role.pk)
    role.delete()
    assert rows("group.created") == [(key, None, {}, {"name": "helpers"})]
    assert rows("group.renamed") == [(key, None, {"name": "helpers"}, {"name": "others"})]
    before = {"name": "others", "permissions": [], "members": [str(bob.pk)]}
    assert rows("group.deleted") == [(key, None, before, {})]


def test_somebody_removed_is_recorded(since, bob):
    key = str(bob.pk)
    bob.delete()
    assert rows("user.removed") == [(key, None, {"is_active": True, "is_staff": False, "is_superuser": False}, {})]


def test_the_row_goes_with_the_change(since, alice):
    def fails() -> None:
        with transaction.atomic():
            alice.is_staff = True
            alice.save()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not rows("user.rights_changed")
