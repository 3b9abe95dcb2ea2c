"""Links in mails: signed, single-use, expiring after PASSWORD_RESET_TIMEOUT."""

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from accounts.errors import LinkRefused
from accounts.models import User


class LinkTokens(PasswordResetTokenGenerator):
    """Tokens bound to the user's state, so that using one (which changes that state) ends it.

    Address, verification and password are part of the signature: a token is dead after its use, after a change
    of address and after a change of password.
    """

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.key_salt = f"accounts.links.{purpose}"

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        return f"{user.pk}{user.password}{timestamp}{user.email}{user.email_verified_at}"

    def token_for(self, user: User) -> str:
        """The text that goes into the mail."""
        return f"{urlsafe_base64_encode(user.pk.bytes)}.{self.make_token(user)}"

    def user_of(self, text: str) -> User:
        """Whom the token was made for; raises LinkRefused if it is not good (any more)."""
        encoded, _, token = text.partition(".")
        try:
            user = User.objects.get(pk=urlsafe_base64_decode(encoded).hex(), is_active=True)
        except (ValueError, ValidationError, User.DoesNotExist):
            user = None
        if user is None or not self.check_token(user, token):
            raise LinkRefused("This link was used, has expired or is incomplete. Register again to get a new one.")
        return user


verification_links = LinkTokens("verify")
