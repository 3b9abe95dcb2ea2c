"""Who may: permissions of the API."""

from typing import Any, cast

from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User


def signed_in(request: Request | HttpRequest) -> User:
    """Whom a permission let in: for views and admin actions, which nobody else reaches."""
    return cast(User, request.user)


class Holds(BasePermission):
    """Base for `holding`: signed in with one named permission."""

    permission: str

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for members of a role that has the permission."""
        return bool(request.user.is_authenticated and request.user.has_perm(self.permission))


def holding(permission: str) -> type[Holds]:
    """The permission class for one named permission, for example `raffles.publish_raffle`."""
    return type("Holds", (Holds,), {"permission": permission})
