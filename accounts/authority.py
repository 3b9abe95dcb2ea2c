"""Which accounts staff may change: never their own, nor one with a right that they lack."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from accounts.errors import AccountErased, InsufficientRights, OwnAccount
from accounts.models import User
from luxewin.api.problems import InvalidInput


def lock_for_staff(person: User, *, actor: User) -> User:
    """Lock the person's row for a change by staff and return it as it is now. Call it in a transaction.

    Raise InsufficientRights, OwnAccount, and AccountErased if the person was erased.
    """
    known = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if known.pk == actor.pk:
        raise OwnAccount("You cannot change your own account here. Use your account's pages, or ask a colleague.")
    if known.is_deleted:
        raise AccountErased("This account was erased.")
    check_authority(actor, known)
    return known


def check_authority(actor: User, person: User) -> None:
    """Raise InsufficientRights if the person has a right that the actor lacks. Cost: up to four queries."""
    if actor.pk == person.pk or actor.is_superuser:
        return
    if person.is_superuser or (person.is_staff and not actor.is_staff) or _permissions(person) - _permissions(actor):
        raise InsufficientRights("This person has rights that you do not have. Ask somebody who has them.")


def has_authority(actor: User, person: User) -> bool:
    """Whether `check_authority` passes, for pages that show the possible actions."""
    try:
        check_authority(actor, person)
    except InsufficientRights:
        return False
    return True


def givable_groups(actor: User) -> QuerySet[Group]:
    """Return the roles without any permission that the actor lacks."""
    if actor.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=_permissions(actor))
    return Group.objects.exclude(permissions__in=beyond)


def check_may_give(actor: User, groups: Iterable[Group]) -> None:
    """Raise InsufficientRights if one of these roles has a permission that the actor lacks."""
    if actor.is_superuser:
        return
    wanted = Permission.objects.filter(group__in=list(groups)).values_list("pk", flat=True)
    if set(wanted) - _permissions(actor):
        raise InsufficientRights("You can only give or remove rights that you have yourself.")


def check_reason(reason: str) -> None:
    """Raise InvalidInput unless a reason is given."""
    if not reason.strip():
        raise InvalidInput.of("reason", "required", "Give a reason.")


def _permissions(user: User) -> set[int]:
    """Return the person's permissions, also for a closed account, which regains them when it is reopened."""
    held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return set(held.values_list("pk", flat=True))
