"""Who may: permissions of the API."""

from typing import Any, cast

from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.errors import VERIFY_FIRST, EmailNotVerified
from accounts.models import User


def signed_in(request: Request | HttpRequest) -> User:
    """Whom a permission let in: for views and admin actions, which nobody else reaches."""
    return cast(User, request.user)


class IsVerified(BasePermission):
    """Signed in, with an address shown to be theirs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises EmailNotVerified (403) rather than a bare refusal, so that a client can offer the mail again."""
        if not request.user.is_authenticated:
            return False
        if not signed_in(request).is_verified:
            raise EmailNotVerified(VERIFY_FIRST)
        return True


class Holds(BasePermission):
    """Base for `holding`: signed in with one named permission."""

    permission: str

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for members of a role that has the permission."""
        return bool(request.user.is_authenticated and request.user.has_perm(self.permission))


def holding(permission: str) -> type[Holds]:
    """The permission class for one named permission, for example `raffles.publish_raffle`."""
    return type("Holds", (Holds,), {"permission": permission})
