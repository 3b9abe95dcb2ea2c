"""What people say of themselves."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.errors import PlaceFixed
from accounts.models import User
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record

# Rules follow from where one lives: nobody moves from purchase to purchase.
MOVES_AFTER = timedelta(days=90)
# What the audit, which forgets nothing, knows the change of but not the words. The country it knows: taxes and licences
# are reported by it, and it names nobody.
PERSONAL = {"date_of_birth", "display_name", "region"}


def update_profile(user: User, **changes: Any) -> User:
    """Changes what people may change of themselves, and returns them as they are then.

    That is their name; their date of birth if it is not known yet; country and region once in MOVES_AFTER. Raises
    InvalidInput and PlaceFixed.
    """
    with transaction.atomic():
        known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        changed = _changed(known, changes)
        if not changed:
            return known
        moved = _moves(known, changed)
        plain = sorted(changed.keys() - PERSONAL)
        before = {name: getattr(known, name) for name in plain}
        for name, value in changed.items():
            setattr(known, name, value)
        if moved:
            known.place_changed_at = timezone.now()
        known.save(update_fields=[*changed, "place_changed_at"])
        after: dict[str, object] = {name: changed[name] for name in plain} | {"changed": sorted(changed)}
        record("user.updated", known, actor=user, before=before, after=after)
    return known


def _changed(known: User, changes: dict[str, Any]) -> dict[str, Any]:
    """What of it is new. A region is of its country: it goes with it."""
    if changes.get("country", known.country) != known.country:
        changes = {"region": ""} | changes
    changed = {name: value for name, value in changes.items() if getattr(known, name) != value}
    if known.date_of_birth and "date_of_birth" in changed:
        raise InvalidInput.of("date_of_birth", "fixed", "It is known already. If it is wrong, write to our support.")
    region, country = (changed.get(name, getattr(known, name)) for name in ("region", "country"))
    if region and not region.startswith(f"{country}-"):
        raise InvalidInput.of("region", "wrong_country", f"{region} is not a region of {country or 'no country'}.")
    return changed


def _moves(known: User, changed: dict[str, Any]) -> bool:
    """Whether what was known of where they live is replaced, and not only completed. Raises PlaceFixed."""
    if not any(getattr(known, name) for name in ("country", "region") if name in changed):
        return False
    last = known.place_changed_at
    if last and last + MOVES_AFTER > timezone.now():
        text = f"They were changed on {last:%Y-%m-%d}, and can be changed once in {MOVES_AFTER.days} days."
        raise PlaceFixed(text, changeable_at=last + MOVES_AFTER)
    return True
