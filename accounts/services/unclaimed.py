"""Accounts whose address nobody has verified: the next person to register the address starts afresh."""

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.addresses import mailbox_key
from accounts.models import Deletion, Notification, Preferences, User
from accounts.models.people import address_of_nobody
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record

# The defaults of an account about which nothing is known yet; its owner can change them.
NEW_NAME = "New member"


def release_unverified_email(email: str) -> User | None:
    """Return the locked holder of this address's mailbox; None if the mailbox is free for a new account.

    The new account must be made in this transaction. An unverified holder is set aside, and the newcomer gets none of
    its data, so nobody can prepare an account under somebody else's address. A holder that was verified, given any
    right or closed by staff stays. Cost: two statements, about a dozen more when an account is set aside.
    """
    key = mailbox_key(email)
    take_turns(key)
    # Older accounts may share a mailbox; then the address may be on an account that has no mailbox.
    of_mailbox = User.objects.filter(Q(mailbox=key) | Q(email=email)).order_by(F("mailbox").asc(nulls_last=True))
    holder = of_mailbox.select_for_update(no_key=True).first()
    if holder is None or not is_nobody_s(holder):
        return holder
    _set_aside(holder)
    return None


def take_turns(key: str) -> None:
    """Serialize registrations of one mailbox: each sees the result of the one before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"mailbox {key}"])


def claim(holder: User, password: str) -> User:
    """Return the account of a person who has just verified its address, with the password that they set.

    Call it with the holder's row locked. An account registered with another password may be a stranger's and is set
    aside: the person starts afresh, without its name, birth date, consents, terms and sessions. An account without a
    password, which staff made, and one with rights stay as they are. Cost: a hash, some dozen statements.
    """
    email, user = holder.email, holder
    if holder.has_usable_password() and is_nobody_s(holder):
        _set_aside(holder)
        user = User(email=email, display_name=NEW_NAME)
        record("user.registered", user, actor=user, after={"by": "mail"})
    user.email_verified_at, user.password_proven = Now(), True
    user.set_password(password)
    user.save()
    Preferences.objects.get_or_create(user=user)
    carry_over_exclusion(user)
    return user


def is_nobody_s(holder: User) -> bool:
    """Whether nobody has verified the account's address, and nothing requires the account to stay as it is."""
    if holder.has_verified_email or holder.is_operator:
        return False
    return holder.is_active or holder.deletions.filter(status=Deletion.Status.WAITING, can_be_kept=True).exists()


def _set_aside(user: User) -> None:
    """Close the account, take its address away, and leave the rest to the worker that carries out deletions.

    Erasing takes time, which would reveal to the person registering the address that an account existed.
    """
    Notification.objects.filter(user=user).open().delete()
    user.email, user.is_active = address_of_nobody(), False
    user.set_unusable_password()
    user.save()
    if not Deletion.objects.filter(user=user, status=Deletion.Status.WAITING).update(due_at=Now()):
        Deletion.objects.create(user=user, due_at=Now())
    record("user.registered_again", user)
