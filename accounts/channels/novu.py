"""Novu: each message triggers the workflow of its kind, up to a hundred with one call."""

import logging
from collections.abc import Sequence
from typing import Any

from accounts.channels import Answer
from accounts.models import Notification, Preferences
from accounts.notification_types import event_of
from accounts.novu.client import MOST_EVENTS, NovuFailed, trigger
from accounts.novu.workflows import workflow_of
from accounts.words import Words, habits_of, write

log = logging.getLogger(__name__)
PROCESSED = "processed"


class NovuChannel:
    """Triggers, once: Novu takes a `transactionId` only once, and a message keeps its own."""

    most = MOST_EVENTS

    def send(self, messages: Sequence[Notification]) -> list[Answer]:
        """Trigger all that can be written, with one call."""
        written = [_write(each) for each in messages]
        events = [_event(message, words) for message, words in zip(messages, written, strict=True) if words]
        results = iter(_trigger(events, salt=" ".join(str(each.attempts) for each in messages)) if events else ())
        return [_answer(words, next(results)) if words else UNWRITABLE for words in written]


UNWRITABLE = Answer(error="its words cannot be written, see the log", needs_staff=True)


def _write(message: Notification) -> Words | None:
    try:
        with habits_of(message.user) as language:
            return write(message.kind, message.context, language)
    except Exception:
        log.exception("notification %s (%s) cannot be written", message.pk, message.kind)
        return None


def _event(message: Notification, words: Words) -> dict[str, Any]:
    """Return the event: of the person Novu learns an id, the language and the time zone, and what they are told."""
    preferences = getattr(message.user, "preferences", None) or Preferences()
    links = [{"label": block.lines[0], "url": block.address} for block in words.blocks if block.kind == "link"]
    return {
        "name": workflow_of(message.kind),
        "to": {
            "subscriberId": str(message.user_id),
            "locale": preferences.language,
            "timezone": preferences.time_zone,
        },
        "payload": {
            "event": event_of(message.kind),
            "subject": words.subject,
            "text": words.text,
            "links": links,
        },
        # Sent again by staff, it is another.
        "transactionId": f"{message.pk}.{message.resends}" if message.resends else str(message.pk),
    }


def _trigger(events: list[dict[str, Any]], *, salt: str) -> list[dict[str, Any] | NovuFailed]:
    try:
        return list(trigger(events, salt=salt))
    except NovuFailed as failure:
        log.error("%s events were not taken: %s", len(events), failure)  # noqa: TRY400
        return [failure] * len(events)


def _answer(words: Words, result: dict[str, Any] | NovuFailed) -> Answer:
    kept = {"subject": words.subject[:400], "text": words.text}
    if isinstance(result, NovuFailed):
        return Answer(kept, error=str(result), needs_staff=result.needs_staff, pause=result.pause)
    status, error = result["status"], result["error"]
    # A transaction that it knows already was taken before, and the answer was lost.
    if status == PROCESSED or ("transactionId" in error and "unique" in error):
        return Answer(kept, said=f"{status} {error}".strip())
    return Answer(kept, error=f"Novu took it, and tells nobody: {status} {error}".strip(), needs_staff=True)
