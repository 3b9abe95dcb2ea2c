"""Gauges of messages."""

from accounts.models import Notification
from luxewin.metrics import age_of_oldest, register

OPEN = Notification.objects.filter(status__in=Notification.OPEN)

register("messages_open", "Messages that are to be sent.", OPEN.count)
register(
    "messages_open_seconds", "How old the oldest of them is.", lambda: age_of_oldest(OPEN, "created_at"), most=1_800
)
