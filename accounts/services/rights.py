"""Rights that staff give and take: roles, entry to the back office, superuser."""

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.authority import check_may_give, check_reason, lock_for_staff
from accounts.errors import InsufficientRights
from accounts.models import User
from accounts.notifications import notify
from luxewin.audit.services import record
from luxewin.clock import database_now


def set_rights(
    person: User, *, is_staff: bool, is_superuser: bool, groups: Iterable[Group], actor: User, reason: str
) -> User:
    """Set all rights of a person at once, and tell them by mail if any changed.

    Raise InvalidInput without a reason, InsufficientRights, OwnAccount and AccountErased; then nothing is written.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        had, wanted = set(known.groups.all()), set(groups)
        flags = {"is_staff": is_staff, "is_superuser": is_superuser}
        given = {name: value for name, value in flags.items() if getattr(known, name) != value}
        if any(value and not getattr(actor, name) for name, value in given.items()):
            raise InsufficientRights("You can only give rights that you have yourself.")
        check_may_give(actor, had ^ wanted)
        before: dict[str, object] = {name: getattr(known, name) for name in given}
        after: dict[str, object] = dict(given)
        if given:
            for name, value in given.items():
                setattr(known, name, value)
            known.save(update_fields=list(given))
        if had != wanted:
            known.groups.set(wanted)
            before["groups"], after["groups"] = _names(had), _names(wanted)
        if after:
            notify(known, "changed_by_staff", about=database_now().isoformat(), changed=sorted(after))
            record("user.rights_set", known, actor=actor, before=before, after=after | {"reason": reason})
    return known


def _names(groups: set[Group]) -> list[str]:
    return sorted(group.name for group in groups)
