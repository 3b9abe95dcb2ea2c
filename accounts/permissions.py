"""Who may: permissions of the API."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.authentication import has_second_factor
from accounts.errors import SecondFactorNeeded
from accounts.models import User


def signed_in(request: Request | HttpRequest) -> User:
    """Whom a permission let in: for views and admin actions, which nobody else reaches."""
    return cast(User, request.user)


def may(request: Request, permission: str) -> bool:
    """Whether this person's roles have the permission, and this session lets them use it."""
    return _is_given(request, permission) and not _lacks_second_factor(request)


class Holds(BasePermission):
    """Base for `holding`: signed in with one named permission and, by STAFF_SECOND_FACTOR, with a second factor."""

    permission: str

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for members of a role that has the permission; raises SecondFactorNeeded if their session lacks one."""
        given = _is_given(request, self.permission)
        if given and _lacks_second_factor(request):
            raise SecondFactorNeeded("Sign in with your second factor. You can set one up with users/totp.")
        return given


def _is_given(request: Request, permission: str) -> bool:
    return bool(request.user.is_authenticated and request.user.has_perm(permission))


def _lacks_second_factor(request: Request) -> bool:
    return settings.STAFF_SECOND_FACTOR and not has_second_factor(request)


def holding(permission: str) -> type[Holds]:
    """The permission class for one named permission, for example `raffles.publish_raffle`."""
    return type("Holds", (Holds,), {"permission": permission})
