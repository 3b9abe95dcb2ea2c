"""Roles have exactly the permissions of their table, however often they are granted."""

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.roles import AUDITORS, FINANCE, MANAGERS, ROLES, SUPPORT, grant_roles


def _held(role: str) -> set[str]:
    pairs = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in pairs}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_exactly_its_table(role, db):
    assert _held(role) == set(ROLES[role])


def test_there_are_these_roles_and_no_others(db):
    assert set(Group.objects.values_list("name", flat=True)) == {MANAGERS, FINANCE, SUPPORT, AUDITORS} == set(ROLES)


def test_granting_takes_away_what_is_not_in_the_table_and_may_be_repeated(db):
    Group.objects.get(name=AUDITORS).permissions.add(Permission.objects.get(codename="refund_purchase"))
    Group.objects.get(name=SUPPORT).permissions.clear()
    for _ in range(2):
        grant_roles()
        assert {role: _held(role) for role in ROLES} == {role: set(names) for role, names in ROLES.items()}


def test_auditors_only_look(db):
    assert {name.partition(".")[2].partition("_")[0] for name in ROLES[AUDITORS]} == {"view"}


ONE_ROLE_S = [
    "purchases.refund_purchase",
    "raffles.publish_raffle",
    "raffles.cancel_raffle",
    "verification.forfeit_pick",
    "verification.claim_award",
]


@pytest.mark.parametrize("right", ONE_ROLE_S)
def test_each_right_that_moves_money_or_promises_is_one_role_s(right, db):
    assert len([role for role, names in ROLES.items() if right in names]) == 1


def test_no_role_declares_a_draw_void(db):
    """Whoever does is given it by name, and it is done at the command line."""
    assert Permission.objects.filter(codename="declare_void").exists()
    assert not [role for role, names in ROLES.items() if "verification.declare_void" in names]


def test_nobody_s_role_touches_people_rights_schedules_or_keys(db):
    forbidden = (
        "auth.",
        "django_q.add",
        "django_q.change",
        "djstripe.add",
        "djstripe.change",
        "djstripe.view_apikey",
        "accounts.change",
    )
    assert [name for names in ROLES.values() for name in names if name.startswith(forbidden)] == []
