"""What people say of themselves and how they want to be written to."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Preferences, User
from luxewin.audit.services import record


def update_profile(user: User, **changes: object) -> User:
    """Changes what people may change of themselves: display name and country."""
    return _update(user, user, "user.updated", changes)


def update_preferences(user: User, *, marketing_consent: bool | None = None, **changes: object) -> Preferences:
    """Changes preferences; consent to marketing is kept with its time."""
    preferences, _ = Preferences.objects.get_or_create(user=user)
    if marketing_consent is not None and marketing_consent != bool(preferences.marketing_consent_at):
        changes["marketing_consent_at"] = timezone.now() if marketing_consent else None
    return _update(preferences, user, "preferences.updated", changes)


def _update[T: (User, Preferences)](row: T, actor: User, action: str, changes: dict[str, object]) -> T:
    if not changes:
        return row
    before = {name: str(getattr(row, name)) for name in changes}
    for name, value in changes.items():
        setattr(row, name, value)
    with transaction.atomic():
        row.save(update_fields=list(changes))
        record(action, row, actor=actor, before=before, after={name: str(value) for name, value in changes.items()})
    return row
