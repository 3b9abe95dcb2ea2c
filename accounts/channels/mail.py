"""E-mail: each message is one mail, handed to the configured mail server."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from smtplib import SMTPException

from accounts.channels import Answer
from accounts.mail import Mail, answer_of
from accounts.models import Notification
from accounts.notifications import compose

log = logging.getLogger(__name__)


class MailChannel:
    """Mails, at least once: the same message has the same Message-ID every time. Messages of a digest are one mail."""

    # Each has a connection of its own to the mail server, and most of its time it waits for the answer.
    most = 10

    def send(self, messages: Sequence[Notification]) -> list[Answer]:
        """Send each as a mail, all at the same time, or all as one if they are of a digest.

        Those of a digest are of one person and event.
        """
        is_digest = all(each.in_digest for each in messages)
        parts = [messages] if is_digest else [[each] for each in messages]
        sendings = [_Sending(each) for each in parts]
        for each in sendings:
            each.write()
        with ThreadPoolExecutor(len(sendings)) as threads:
            list(threads.map(_Sending.hand_over, sendings))
        answers = [each.answer() for each in sendings]
        return answers * len(messages) if is_digest else answers


@dataclass(slots=True)
class _Sending:
    """One mail; `fault` is what went wrong."""

    messages: Sequence[Notification]
    mail: Mail | None = None
    fault: Exception | None = None

    def write(self) -> None:
        try:
            self.mail = compose(*self.messages)
        except Exception as error:  # noqa: BLE001 `answer` logs it
            self.fault = error

    def hand_over(self) -> None:
        """Send the mail, if it could be written, without the database, whose connection is another thread's."""
        try:
            if self.mail:
                self.mail.send()
        except Exception as error:  # noqa: BLE001 `answer` logs it
            self.fault = error

    def answer(self) -> Answer:
        words = self.mail.as_stored() if self.mail else {}
        if self.fault is None:
            return Answer(words, said=answer_of(self.mail) if self.mail else "")
        message, said = self.messages[0], f"{type(self.fault).__name__}: {self.fault}"
        about = (message.pk, message.kind, message.attempts)
        if self.mail and isinstance(self.fault, (OSError, SMTPException)):
            log.error("mail server refused notification %s (attempt %s): %s", message.pk, message.attempts, self.fault)
            return Answer(words, error=said)
        log.error("notification %s (%s, attempt %s) cannot be sent", *about, exc_info=self.fault)
        return Answer(words, error=said, needs_staff=True)
