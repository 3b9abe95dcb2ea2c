"""Sign-ins on devices on which a person had not signed in before: they are told."""

from datetime import datetime
from typing import Any

from accounts.devices import device_name, is_known_device, place
from accounts.models import Session, User
from accounts.notifications import notify
from luxewin.api.requests import current_request
from luxewin.audit.models import AuditEntry
from luxewin.audit.services import record
from luxewin.clock import database_now


def is_new_device(user: User, user_agent: str) -> bool:
    """Whether this person has signed in before, and never on a device of this name.

    Cost: one query; for staff, whose sign-ins to the back office only the audit has, a second one.
    """
    agents = Session.objects.filter(user=user).values_list("user_agent", flat=True).distinct()
    before = {device_name(each) for each in agents}
    if user.is_staff:
        entered = AuditEntry.objects.filter(subject_type="user", subject_id=str(user.pk), action="user.signed_in")
        before |= {each for each in entered.values_list("after__device", flat=True).distinct() if each}
    # Sessions keep no more of it.
    return bool(before) and device_name(user_agent[:200]) not in before


def note_back_office_sign_in(user: User, *, user_agent: str, second_factor: bool) -> None:
    """Audit a sign-in to the back office, and tell its person if the device is new, in the caller's transaction.

    A program that is no browser is new each time.
    """
    if is_new_device(user, user_agent):
        now = database_now()
        tell_of_new_device(user, user_agent=user_agent, about=now.isoformat(), at=now)
    after = {"to": "back office", "device": _known_name(user_agent), "second_factor": second_factor}
    record("user.signed_in", user, actor=user, after=after)


def tell_of_new_device(user: User, *, user_agent: str, about: Any, at: datetime) -> None:
    """Tell of a sign-in by this request, at an address that is theirs."""
    if user.has_verified_email:
        facts = {"device": _known_name(user_agent), "place": place(current_request().address), "at": at.isoformat()}
        notify(user, "new_sign_in", about=about, **facts)


def _known_name(user_agent: str) -> str:
    # A program's own name for itself is left out, because whoever signs in can write anything there.
    return device_name(user_agent) if is_known_device(user_agent) else ""
