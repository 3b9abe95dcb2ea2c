"""Accounts whose address nobody has shown to be theirs: whoever comes to the address next begins anew."""

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.addresses import mailbox_key
from accounts.models import Deletion, Notification, Preferences, User
from accounts.models.people import address_of_nobody
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record

# Of whom nothing is known yet; they can change it.
NEW_NAME = "New member"


def release_unverified_email(email: str) -> User | None:
    """Who holds the mailbox of this address, locked; None if it is free for an account made in this transaction.

    While nobody has shown that it is theirs, an account that holds it is set aside, and nothing of it is the
    newcomer's: so nobody can lie in wait in it. One that was verified, given any right or closed by staff stays.
    Cost: two statements, about a dozen more where an account is set aside.
    """
    key = mailbox_key(email)
    take_turns(key)
    # Where accounts of before share a mailbox, the address may be with one that has none.
    of_mailbox = User.objects.filter(Q(mailbox=key) | Q(email=email)).order_by(F("mailbox").asc(nulls_last=True))
    holder = of_mailbox.select_for_update(no_key=True).first()
    if holder is None or not is_nobody_s(holder):
        return holder
    _set_aside(holder)
    return None


def take_turns(key: str) -> None:
    """Newcomers to one mailbox come one after the other: each sees what the one before left."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"mailbox {key}"])


def claim(holder: User, password: str) -> User:
    """The account of whoever has just shown that its address is theirs, with the password that they set.

    Call it behind the lock of the holder's row. What somebody registered with another password may be a stranger's, and
    is set aside: name, birth date, consents, terms and sessions are not the newcomer's, who begins anew. An account
    without a password, which staff made, and one with rights stay as they are. Cost: a hash, some dozen statements.
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
    """Whether nobody has shown that the account's address is theirs, nor does anybody need it as it is."""
    if holder.has_verified_email or holder.is_operator:
        return False
    return holder.is_active or holder.deletions.filter(status=Deletion.Status.WAITING, can_be_kept=True).exists()


def _set_aside(user: User) -> None:
    """Closes the account, takes its address away, and leaves the rest to the worker who carries out deletions.

    What there is to erase takes time, of which whoever registers the address would learn that somebody was here.
    """
    Notification.objects.filter(user=user).waiting().delete()
    user.email, user.is_active = address_of_nobody(), False
    user.set_unusable_password()
    user.save()
    if not Deletion.objects.filter(user=user, status=Deletion.Status.WAITING).update(due_at=Now()):
        Deletion.objects.create(user=user, due_at=Now())
    record("user.registered_again", user)
