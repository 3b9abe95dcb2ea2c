"""Links in mails: signed, single-use, expiring. None is stored: a token is made when its mail is written."""

from datetime import timedelta
from uuid import UUID

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import base36_to_int, urlsafe_base64_decode, urlsafe_base64_encode

from accounts.errors import LinkRefused
from accounts.models import User
from accounts.notification_types import OPTIONAL


class LinkTokens(PasswordResetTokenGenerator):
    """Tokens bound to the user's state, so that using one (which changes that state) ends it.

    Address, verification and password are part of the signature: a token is dead after its use, after a change of
    address and after a change of password.
    """

    def __init__(self, purpose: str, *, lifetime: timedelta) -> None:
        super().__init__()
        self.key_salt = f"accounts.links.{purpose}"
        self.lifetime = lifetime

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        return f"{user.pk}{user.password}{timestamp}{user.email}{user.email_verified_at}"

    def check_token(self, user: User | None, token: str | None) -> bool:  # type: ignore[override]
        """Apply Django's check, with its one lifetime for all (PASSWORD_RESET_TIMEOUT), and then this purpose's own."""
        if not super().check_token(user, token):
            return False
        made = base36_to_int(str(token).partition("-")[0])
        return self._num_seconds(self._now()) - made <= self.lifetime.total_seconds()  # type: ignore[attr-defined]

    def token_for(self, user: User) -> str:
        """Return the token for the mail."""
        return f"{urlsafe_base64_encode(user.pk.bytes)}.{self.make_token(user)}"

    def user_of(self, text: str) -> User:
        """Return the token's user; raise LinkRefused if it is invalid or dead."""
        encoded, _, token = text.partition(".")
        try:
            user = User.objects.get(pk=urlsafe_base64_decode(encoded).hex(), is_active=True)
        except (ValueError, ValidationError, User.DoesNotExist):
            user = None
        if user is None or not self.check_token(user, token):
            raise LinkRefused(REFUSED)
        return user


REFUSED = "This link was already used, has expired or is incomplete. Ask for a new one."
verification_links = LinkTokens("verify", lifetime=timedelta(hours=24))
reset_links = LinkTokens("reset", lifetime=timedelta(hours=1))

SIDES = ("old", "new")
CHANGE, CHANGE_LIFETIME = "accounts.links.change", timedelta(hours=24)


def change_token(change_id: str, side: str) -> str:
    """Return the token that confirms a change of address for one of SIDES."""
    return signing.dumps([change_id, side], salt=CHANGE)


def change_of(token: str) -> tuple[UUID, str]:
    """Return the change's id and the side that the token confirms; raise LinkRefused."""
    try:
        change_id, side = signing.loads(token, salt=CHANGE, max_age=CHANGE_LIFETIME)
    except (signing.BadSignature, ValueError) as error:
        raise LinkRefused(REFUSED) from error
    return UUID(change_id), side


class RowLinks:
    """Links to one of a person's rows; the row itself says how long it can be opened.

    They are dead after a change of address or password: a reader of an old mailbox opens nothing.
    """

    def __init__(self, purpose: str) -> None:
        self.salt = f"accounts.links.{purpose}"

    def token_for(self, row_id: str, user: User) -> str:
        """Return the token for the mail."""
        return signing.dumps([row_id, self._stamp(user)], salt=self.salt)

    def row_of(self, token: str) -> tuple[UUID, str]:
        """Return the row's id, and a stamp for `is_of`; raise LinkRefused."""
        try:
            row_id, stamp = signing.loads(token, salt=self.salt)
        except (signing.BadSignature, ValueError) as error:
            raise LinkRefused(REFUSED) from error
        return UUID(row_id), stamp

    def is_of(self, stamp: str, user: User) -> bool:
        """Whether the person's address and password have not changed since the link was mailed."""
        return constant_time_compare(stamp, self._stamp(user))

    def _stamp(self, user: User) -> str:
        return salted_hmac(self.salt, f"{user.email} {user.password}", algorithm="sha256").hexdigest()[:32]


export_links = RowLinks("export")
keeping_links = RowLinks("keep")

UNSUBSCRIBE = "accounts.links.unsubscribe"


def unsubscribe_token(user: User, event: str, channel: str) -> str:
    """Return the token that switches off one channel of an event for this person, and nothing else. Never expires."""
    return signing.dumps([user.pk.hex, event, channel], salt=UNSUBSCRIBE)


def unsubscribing_of(token: str) -> tuple[UUID, str, str]:
    """Return the person's id, the event and the channel of the token; raise LinkRefused."""
    try:
        user_id, event, channel = signing.loads(token, salt=UNSUBSCRIBE)
    except (signing.BadSignature, ValueError) as error:
        raise LinkRefused("This link is incomplete. Sign in and change your preferences there.") from error
    if event not in OPTIONAL or not User.objects.filter(pk=user_id).exists():
        raise LinkRefused("We no longer send these e-mails.")
    return UUID(user_id), event, channel
