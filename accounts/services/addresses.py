"""A new e-mail address: it counts once its owner and the owner of the old one have both said yes."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import LinkRefused
from accounts.links import change_of
from accounts.models import EmailChange, User
from accounts.notifications import notify
from accounts.services.signing_in import confirm_password
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record


def request_email_change(user: User, *, email: str, password: str) -> None:
    """Mails a link to both addresses; an earlier request of this person is dead.

    Where the new address has an account, its owner gets a hint instead, and nothing else differs.
    Raises InvalidInput for a wrong password and for the address that it is already.
    """
    confirm_password(user, password, field="password")
    email = email.lower()
    if email == user.email:
        raise InvalidInput.of("email", "same_email", "This is your address already.")
    with transaction.atomic():
        EmailChange.objects.filter(user=user).delete()
        change = EmailChange.objects.create(user=user, email=email)
        facts = {"change": change.pk.hex, "email": email}
        notify(user, "email_change_old", about=change.pk, **facts)
        owner = User.objects.filter(email=email).first()
        if owner:
            notify(owner, "already_registered", about=f"{timezone.now():%Y-%m-%d}")
        else:
            notify(user, "email_change_new", about=change.pk, to=email, **facts)


def confirm_email_change(*, token: str) -> bool:
    """Takes one side's yes; True if it was the second, and the address is changed. Raises LinkRefused."""
    change_id, side = change_of(token)
    try:
        with transaction.atomic():
            change = EmailChange.objects.select_for_update().filter(pk=change_id, user__is_active=True).first()
            if change is None or getattr(change, f"{side}_confirmed_at"):
                raise LinkRefused("This link was used, or another change was asked for since.")
            setattr(change, f"{side}_confirmed_at", timezone.now())
            change.save(update_fields=[f"{side}_confirmed_at"])
            if change.old_confirmed_at is None or change.new_confirmed_at is None:
                return False
            _apply(change)
    except IntegrityError as error:
        raise LinkRefused("This address has an account of its own by now.") from error
    return True


def _apply(change: EmailChange) -> None:
    user = User.objects.select_for_update(no_key=True).get(pk=change.user_id)
    before, user.email, user.email_verified_at = user.email, change.email, timezone.now()
    user.save(update_fields=["email", "email_verified_at"])
    record("user.email_changed", user, actor=user, before={"email": before}, after={"email": user.email})
    notify(user, "email_changed", about=change.pk, to=before, email=user.email)
    change.delete()
