"""E-mail: each message is one mail, handed to the configured mail server."""

import logging
from collections.abc import Sequence
from smtplib import SMTPException

from accounts.channels import Answer
from accounts.mail import answer_of
from accounts.models import Notification
from accounts.notifications import compose

log = logging.getLogger(__name__)


class MailChannel:
    """Mails, at least once: the same message has the same Message-ID every time. Messages of a digest are one mail."""

    most = 1

    def send(self, messages: Sequence[Notification]) -> list[Answer]:
        """Send each as a mail, or all as one if they are of a digest, which are of one person and event."""
        if all(each.in_digest for each in messages):
            return [_send(*messages)] * len(messages)
        return [_send(each) for each in messages]


def _send(message: Notification, *others: Notification) -> Answer:
    mail = None
    try:
        mail = compose(message, *others)
        mail.send()
    except (OSError, SMTPException) as error:
        log.error("mail server refused notification %s (attempt %s): %s", message.pk, message.attempts, error)  # noqa: TRY400
        return Answer(mail.as_stored() if mail else {}, error=f"{type(error).__name__}: {error}")
    except Exception as error:
        about = (message.pk, message.kind, message.attempts)
        log.exception("notification %s (%s, attempt %s) cannot be sent", *about)
        written = mail.as_stored() if mail else {}
        return Answer(written, error=f"{type(error).__name__}: {error}", needs_staff=True)
    return Answer(mail.as_stored(), said=answer_of(mail))
