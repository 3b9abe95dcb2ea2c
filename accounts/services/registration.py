"""Registration of an account and verification of its address."""

from datetime import date
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts import throttle
from accounts.authority import check_reason
from accounts.links import verification_links
from accounts.models import EmailChange, Preferences, User
from accounts.notifications import notify
from accounts.services.exclusions import carry_over_exclusion
from accounts.services.passwords import check_new_password
from accounts.services.signing_in import confirm_password
from accounts.services.terms import accept_terms
from accounts.services.unclaimed import claim, release_unverified_email
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from luxewin.clock import database_now


def register_user(
    *,
    email: str,
    password: str,
    display_name: str,
    date_of_birth: date,
    country: str,
    region: str = "",
    language: str = "en",
    terms_version: str | None = None,
) -> None:
    """Make an account and mail its verification link; `terms_version` is the version that the person accepts.

    `language`, one of settings.LANGUAGES, is also that of the mail. If the address has an account already, its owner
    gets a different mail; answer and timing are the same. Cost: one Argon2 hash, always.
    """
    fields = {"display_name": display_name, "date_of_birth": date_of_birth, "country": country, "region": region}
    fields["password"] = make_password(password)
    try:
        _register(email, fields, language, terms_version)
    except IntegrityError:
        # The address may also come from a change of address or the back office; the second try finds it.
        _register(email, fields, language, terms_version)


@transaction.atomic
def _register(email: str, fields: dict[str, Any], language: str, terms_version: str | None) -> None:
    """Register the person; until an address is verified, its newest registration counts, with its own link."""
    owner = release_unverified_email(email)
    if owner:
        notify(owner, "already_registered", about=f"{database_now():%Y-%m-%d}")
        return
    user = User.objects.create(email=email, **fields)
    Preferences.objects.create(user=user, language=language)
    if terms_version:
        accept_terms(user, version=terms_version, field="terms_version")
    notify(user, "verify_email", about=user.id)
    record("user.registered", user, actor=user)


def add_person(*, email: str, display_name: str, actor: User, reason: str) -> User:
    """Make an account for somebody, for example a new colleague, and mail its verification link.

    It has no password: its owner sets one by `auth/password/forgot`. Raise InvalidInput, also if an account has the
    address.
    """
    check_reason(reason)
    with transaction.atomic():
        if release_unverified_email(email):
            raise InvalidInput.of("email", "taken", "Another account has this address.")
        person = User.objects.create(email=email, display_name=display_name, password=make_password(None))
        Preferences.objects.create(user=person)
        notify(person, "verify_email", about=person.id)
        record("user.added", person, actor=actor, after={"reason": reason})
    return person


def verify_email(*, token: str, password: str | None = None, new_password: str | None = None) -> User:
    """Mark the address of a mailed link as verified, and return its account. Earlier sessions end.

    Anybody can register anybody's address. So the person who opens the link either gives the `password` of the
    registration and keeps its data, or sets a `new_password` and gets an account without any of that data (`claim`).
    Raise LinkRefused, and InvalidInput for a wrong, weak or missing password, after which the token still works.
    """
    owner = verification_links.user_of(token)
    if new_password is not None:
        check_new_password(new_password, owner, field="new_password")
    elif password is None:
        said = "Enter the password that you registered with, or choose a new one."
        raise InvalidInput.of("password", "required", said)
    else:
        confirm_password(owner, password, field="password")
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=owner.pk)
        # Read again under the lock: of two concurrent clicks, the second finds its token used.
        verification_links.user_of(token)
        user = claim(user, new_password) if new_password is not None else _verified(user)
        record("user.verified", user, actor=user)
    throttle.reset_attempts(user.email)
    return user


def _verified(user: User) -> User:
    """Mark the account verified by its password: its data stays, but every session ends."""
    user.email_verified_at, user.password_proven = Now(), True
    user.save(update_fields=["email_verified_at", "password_proven"])
    EmailChange.objects.filter(user=user).delete()
    if ended := user.sessions.end():
        record("user.signed_out_everywhere", user, after={"sessions": ended, "because": "verified"})
    carry_over_exclusion(user)
    return user
