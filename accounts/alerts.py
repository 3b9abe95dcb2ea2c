"""Alerts to staff about problems that only they can fix."""

from typing import Any

from django.db.models import Q

from accounts.models import User
from accounts.notifications import notify_all
from accounts.roles import MANAGERS


def alert_staff(kind: str, *, about: Any, to: str = MANAGERS, **context: Any) -> None:
    """Mail the people of a role, and superusers, once per subject; see `accounts.notifications.notify`."""
    responsible = User.objects.filter(Q(is_superuser=True) | Q(groups__name=to), is_active=True).distinct()
    notify_all(kind, [(user, about, context) for user in responsible])
