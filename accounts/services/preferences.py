"""Preferences for mails and display, and marketing consent."""

from datetime import time
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts.eligibility import check_marketing
from accounts.links import unsubscribing_of
from accounts.models import Preferences, User
from accounts.notification_types import OPTIONAL, merged
from luxewin.audit.services import Actor, record

# The wording of the consent, by the date from which the front end shows it; docs/privacy.md has every version.
CONSENT_TEXT = "2026-11"


def update_preferences(
    user: User,
    *,
    marketing_consent: bool | None = None,
    notifications: dict[str, dict[str, bool]] | None = None,
    **changes: Any,
) -> Preferences:
    """Change preferences; `notifications` changes only the switches it names. Cost: two statements and the audit's."""
    with transaction.atomic():
        preferences = _locked(user)
        if notifications is not None:
            changes["switched_off"] = merged(preferences.switched_off, notifications)
        changed = {name: value for name, value in changes.items() if getattr(preferences, name) != value}
        if changed:
            before = {name: _told(getattr(preferences, name)) for name in changed}
            for name, value in changed.items():
                setattr(preferences, name, value)
            preferences.save(update_fields=list(changed))
            record("preferences.updated", preferences, actor=user, before=before, after=_told(changed))
        if marketing_consent is not None:
            _consent(preferences, given=marketing_consent, actor=user, by="preferences")
    return preferences


def withdraw_consent(user: User, *, by: str, actor: Actor | None = None) -> None:
    """Withdraw marketing consent, if given; `by` says by which way. Cost: one statement, three if there was consent."""
    with transaction.atomic():
        _consent(_locked(user), given=False, actor=actor, by=by)


def unsubscribe(*, token: str) -> str:
    """Switch off what the link of a mail names, and return its event. Idempotent; raise LinkRefused.

    For an event that needs consent, the consent is withdrawn, whatever the channel.
    """
    user_id, event, channel = unsubscribing_of(token)
    with transaction.atomic():
        preferences = _locked(User(pk=user_id))
        if OPTIONAL[event].needs_consent:
            _consent(preferences, given=False, actor=None, by="unsubscribe")
        else:
            off = merged(preferences.switched_off, {event: {channel: False}})
            if off != preferences.switched_off:
                before, preferences.switched_off = preferences.switched_off, off
                preferences.save(update_fields=["switched_off"])
                after = {"switched_off": off, "by": "unsubscribe"}
                record("preferences.updated", preferences, before={"switched_off": before}, after=after)
    return event


def _told(value: Any) -> Any:
    """Return a value, or all of a dict's, as the audit's JSON has it."""
    if isinstance(value, dict):
        return {name: _told(each) for name, each in value.items()}
    return value.isoformat() if isinstance(value, time) else value


def _locked(user: User) -> Preferences:
    Preferences.objects.get_or_create(user_id=user.pk)
    return Preferences.objects.select_for_update(no_key=True).get(pk=user.pk)


def _consent(preferences: Preferences, *, given: bool, actor: Actor | None, by: str) -> None:
    """Write the audit row, which is the proof of consent: when, from which address, by which way, to which wording."""
    if given == preferences.marketing_consent:
        return
    if given:
        check_marketing(preferences.user_id)
    preferences.marketing_consent_at = Now() if given else None
    preferences.save(update_fields=["marketing_consent_at"])
    action, after = "consent.given" if given else "consent.withdrawn", {"to": "marketing", "by": by}
    record(action, preferences.user, actor=actor, after=after | ({"text": CONSENT_TEXT} if given else {}))
