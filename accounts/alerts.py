"""Alerts to staff about problems that only they can fix."""

from typing import Any

from django.db.models import Q

from accounts.models import User
from accounts.notifications import notify_all
from accounts.roles import FINANCE, MANAGERS


def alert_staff(kind: str, *, about: Any, **context: Any) -> None:
    """Mail raffle managers and superusers, once per subject; see `accounts.notifications.notify`."""
    _alert(MANAGERS, kind, about, context)


def alert_finance(kind: str, *, about: Any, **context: Any) -> None:
    """Mail finance and superusers, as `alert_staff` does."""
    _alert(FINANCE, kind, about, context)


def _alert(role: str, kind: str, about: Any, context: dict[str, Any]) -> None:
    responsible = User.objects.filter(Q(is_superuser=True) | Q(groups__name=role), is_active=True).distinct()
    notify_all(kind, [(user, about, context) for user in responsible])
