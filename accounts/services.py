"""Writes of accounts."""

from datetime import date
from typing import Any

from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import WrongCredentials
from accounts.links import verification_links
from accounts.models import Preferences, Session, User
from accounts.notifications import notify
from accounts.tokens import TokenPair, open_session
from luxewin.audit.services import record


def register_user(*, email: str, password: str, display_name: str, date_of_birth: date, country: str) -> None:
    """Makes an account and mails its verification link.

    Where the address has an account already, its owner is mailed something else and nothing else differs: not the
    answer, and not the time (the password is hashed either way).
    """
    fields = {"display_name": display_name, "date_of_birth": date_of_birth, "country": country}
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, **fields)
            Preferences.objects.create(user=user)
            notify(user, "verify_email", about=user.id, token=verification_links.token_for(user))
            record("user.registered", user, actor=user)
    except IntegrityError:
        _register_again(email, password, fields)


def _register_again(email: str, password: str, fields: dict[str, Any]) -> None:
    """Somebody registers an address that has an account.

    While nobody has shown that the address is theirs, the newest registration stands, with a new link (the older one
    and all sessions end): so a lost mail can be asked for again, and nobody can lie in wait with a password of their
    own. An account that was verified or given any right is left alone, and its owner gets a hint.
    """
    with transaction.atomic():
        owner = User.objects.select_for_update(no_key=True).get(email=email.lower())
        if owner.is_verified or owner.is_staff or owner.is_superuser or owner.groups.exists():
            notify(owner, "already_registered", about=f"{timezone.now():%Y-%m-%d}")
            return
        for name, value in fields.items():
            setattr(owner, name, value)
        owner.set_password(password)
        owner.save()
        Session.objects.filter(user=owner).end()
        notify(owner, "verify_email", about=timezone.now().isoformat(), token=verification_links.token_for(owner))
        record("user.registered_again", owner, actor=owner)


def verify_email(*, token: str) -> User:
    """Marks the address of a mailed link as verified; raises LinkRefused."""
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=verification_links.user_of(token).pk)
        # Read again under the lock: of two clicks at once, the second finds its token used.
        verification_links.user_of(token)
        user.email_verified_at = timezone.now()
        user.save(update_fields=["email_verified_at"])
        record("user.verified", user, actor=user)
    return user


def log_in(*, email: str, password: str, user_agent: str) -> tuple[User, TokenPair]:
    """Checks the password and opens a session; raises WrongCredentials. Cost: one Argon2 hash."""
    user = authenticate(username=email.lower(), password=password)
    if not isinstance(user, User):
        raise WrongCredentials("No active account has this e-mail and password.")
    with transaction.atomic():
        pair = open_session(user, user_agent=user_agent)
        record("user.signed_in", user, actor=user)
    return user, pair


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
