"""A person's own profile data, and corrections by staff."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts.authority import check_reason, lock_for_staff
from accounts.errors import PlaceFixed
from accounts.models import User
from accounts.notifications import notify
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from luxewin.clock import database_now

# The rules depend on where a person lives, so it must not change from purchase to purchase.
MOVES_AFTER = timedelta(days=90)
# The audit, which is kept for ever, records that these fields changed but not their values. It does record the country,
# by which taxes and licences are reported and which names nobody.
PERSONAL = {"date_of_birth", "display_name", "region"}


def update_profile(user: User, **changes: Any) -> User:
    """Change what people may change themselves, and return the person as saved.

    That is the name; the date of birth if not known yet; country and region once in MOVES_AFTER. Raise InvalidInput and
    PlaceFixed.
    """
    with transaction.atomic():
        known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        changed = _changed(known, changes)
        if known.date_of_birth and "date_of_birth" in changed:
            support = f": {settings.SUPPORT_EMAIL}" if settings.SUPPORT_EMAIL else ""
            text = f"Your date of birth is set. Support can correct it{support or '.'}"
            raise InvalidInput.of("date_of_birth", "fixed", text)
        if _moves(known, changed):
            known.place_changed_at = Now()
        _write(known, changed, actor=user)
    return known


def correct_profile(person: User, *, actor: User, reason: str, **changes: Any) -> User:
    """Correct facts that a person may not change, on their request, and tell them by mail.

    Staff may replace known facts and need not wait for MOVES_AFTER. Raise InvalidInput, InsufficientRights, OwnAccount
    and AccountErased; then nothing is written.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        changed = _changed(known, changes)
        _write(known, changed, actor=actor, reason=reason)
        if changed:
            notify(known, "changed_by_staff", about=database_now().isoformat(), changed=sorted(changed))
    return known


def _write(known: User, changed: dict[str, Any], *, actor: User, **audited: str) -> None:
    """Save a person's facts with their row locked, and audit the change."""
    if not changed:
        return
    plain = sorted(changed.keys() - PERSONAL)
    before = {name: getattr(known, name) for name in plain}
    for name, value in changed.items():
        setattr(known, name, value)
    known.save(update_fields=[*changed, "place_changed_at"])
    after: dict[str, object] = {name: changed[name] for name in plain} | {"changed": sorted(changed)}
    record("user.updated", known, actor=actor, before=before, after=after | audited)


def _changed(known: User, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ. A region belongs to its country, so it is cleared with it."""
    if changes.get("country", known.country) != known.country:
        changes = {"region": ""} | changes
    changed = {name: value for name, value in changes.items() if getattr(known, name) != value}
    region, country = (changed.get(name, getattr(known, name)) for name in ("region", "country"))
    if region and not region.startswith(f"{country}-"):
        text = f"{region} is not a region of {country}." if country else "Enter the country of the region."
        raise InvalidInput.of("region", "wrong_country", text)
    return changed


def _moves(known: User, changed: dict[str, Any]) -> bool:
    """Whether a known place of residence is replaced, rather than completed. Raise PlaceFixed."""
    if not any(getattr(known, name) for name in ("country", "region") if name in changed):
        return False
    last = known.place_changed_at
    if last and last + MOVES_AFTER > database_now():
        text = f"You changed them on {last:%Y-%m-%d}. You can change them once in {MOVES_AFTER.days} days."
        raise PlaceFixed(text, changeable_at=last + MOVES_AFTER)
    return True
