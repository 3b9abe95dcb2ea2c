"""Permissions of the API."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.authentication import has_second_factor
from accounts.errors import SecondFactorNeeded
from accounts.models import User


def signed_in(request: Request | HttpRequest) -> User:
    """Return the user of a request that a permission let in: for views and admin actions, which are never anonymous."""
    return cast(User, request.user)


def may(request: Request, permission: str) -> bool:
    """Whether this person's roles have the permission, and this session may use it."""
    return _is_given(request, permission) and not _lacks_second_factor(request)


class HasPermission(BasePermission):
    """Base for `has_permission_to`: requires a named permission and, under STAFF_SECOND_FACTOR, a second factor."""

    permission: str
    #: For the API's document: what it raises, beside denying.
    refusals = (SecondFactorNeeded,)

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether a role has the permission; raise SecondFactorNeeded if the session lacks a second factor."""
        given = _is_given(request, self.permission)
        if given and _lacks_second_factor(request):
            raise SecondFactorNeeded("Sign in with your second factor. You can set one up with users/totp.")
        return given


def _is_given(request: Request, permission: str) -> bool:
    return bool(request.user.is_authenticated and request.user.has_perm(permission))


def _lacks_second_factor(request: Request) -> bool:
    return settings.STAFF_SECOND_FACTOR and not has_second_factor(request)


def has_permission_to(permission: str) -> type[HasPermission]:
    """Return the permission class for one named permission, for example `raffles.publish_raffle`."""
    return type("HasPermission", (HasPermission,), {"permission": permission})
