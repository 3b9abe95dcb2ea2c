"""System checks of background work."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.compatibility)
def broker_shares_the_database(**kwargs: Any) -> list[CheckMessage]:
    """Require the task queue in the same database: tasks must commit and roll back with their rows (outbox)."""
    if settings.Q_CLUSTER.get("orm") == "default":
        return []
    hint = 'Set Q_CLUSTER["orm"] = "default": with any other broker a task can run for a row that was never committed.'
    return [Error("The task queue is not in the same database as the data.", hint=hint, id="luxewin.E101")]
