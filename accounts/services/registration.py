"""Making an account and showing that its address is one's own."""

from datetime import date
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.links import verification_links
from accounts.models import Preferences, Session, User
from accounts.notifications import notify
from luxewin.audit.services import record


def register_user(*, email: str, password: str, display_name: str, date_of_birth: date, country: str) -> None:
    """Makes an account and mails its verification link.

    Where the address has an account already, its owner is mailed something else and nothing else differs: not the
    answer, and not the time. Cost: one Argon2 hash, always.
    """
    email = email.lower()
    fields = {"display_name": display_name, "date_of_birth": date_of_birth, "country": country}
    fields["password"] = make_password(password)
    try:
        with transaction.atomic():
            user = User.objects.create(email=email, **fields)
            Preferences.objects.create(user=user)
            notify(user, "verify_email", about=user.id)
            record("user.registered", user, actor=user)
    except IntegrityError:
        _register_again(email, fields)


def _register_again(email: str, fields: dict[str, Any]) -> None:
    """Somebody registers an address that has an account.

    While nobody has shown that the address is theirs, the newest registration stands, with a new link (the older one
    and all sessions end): so a lost mail can be asked for again, and nobody can lie in wait with a password of their
    own. An account that was verified or given any right is left alone, and its owner gets a hint.
    """
    with transaction.atomic():
        owner = User.objects.select_for_update(no_key=True).get(email=email)
        if owner.is_verified or owner.is_staff or owner.is_superuser or owner.groups.exists():
            notify(owner, "already_registered", about=f"{timezone.now():%Y-%m-%d}")
            return
        for name, value in fields.items():
            setattr(owner, name, value)
        owner.save()
        Session.objects.filter(user=owner).end()
        notify(owner, "verify_email", about=timezone.now().isoformat())
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
