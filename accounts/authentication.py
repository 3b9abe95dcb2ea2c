"""Who is asking, by the access token in the Authorization header."""

from uuid import UUID

from django.db import connection
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts.models import User

# Every request of a signed-in person begins with it, and the ORM takes longer to write it than the database to answer.
FIELDS = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 Django's public name for it
FIND = f"SELECT {', '.join(FIELDS)} FROM {User._meta.db_table} WHERE id = %s"  # noqa: S608, SLF001 names of columns


class BearerAuthentication(JWTAuthentication):
    """simplejwt's checks of the token, and one statement for its user.

    With `reads_user=False` there is no statement: the user knows their id, and whatever else is asked of them is read
    then. That is for views whose own statement reads the person; that they are active is for it to check.
    """

    def __init__(self, *, reads_user: bool = True) -> None:
        super().__init__()
        self._reads_user = reads_user

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # its type variable is of any user
        """The token's user; raises AuthenticationFailed (401) if they are gone or deactivated."""
        try:
            identifier = UUID(validated_token[api_settings.USER_ID_CLAIM])
        except (KeyError, ValueError) as error:
            raise InvalidToken("Token contained no recognizable user identification") from error
        if not self._reads_user:
            return User.from_db(connection.alias, ["id"], [identifier])
        with connection.cursor() as cursor:
            cursor.execute(FIND, [identifier])
            row = cursor.fetchone()
        if row is None:
            raise AuthenticationFailed("User not found", code="user_not_found")
        user = User.from_db(connection.alias, FIELDS, row)
        if not user.is_active:
            raise AuthenticationFailed("User is inactive", code="user_inactive")
        return user


class BearerScheme(SimpleJWTScheme):
    """Tells the API's document that this is a bearer token."""

    target_class = "accounts.authentication.BearerAuthentication"
