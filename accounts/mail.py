"""Mails that know what their server answered, and what of them may be stored."""

from smtplib import SMTP, SMTP_SSL
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

#: Stands in stored words for what opens something.
REMOVED = "[removed]"


class Mail(EmailMultiAlternatives):
    """A mail to one person, as text and as HTML."""

    #: Parts of its text that must not be stored: they open something, or an erasure would not find them here.
    unstored: list[str] = []
    #: Which sending of which message it is, as a provider's events name it.
    metadata: dict[str, str] = {}
    #: What the mail server said when it took it; empty before, and from backends that do not tell.
    answer: str = ""

    def as_stored(self) -> dict[str, str]:
        """Return recipient, subject and text for the message's row, without what must not be stored."""
        text = self.body
        for secret in self.unstored:
            text = text.replace(secret, REMOVED)
        # PostgreSQL stores no NUL.
        return {"recipient": self.to[0], "subject": self.subject[:400], "text": text.replace("\0", "")}


def answer_of(mail: Mail) -> str:
    """Return what the mail server or the provider said when it took the mail; empty from backends that do not tell."""
    status = getattr(mail, "anymail_status", None)
    return f"{status.message_id}" if status is not None and status.message_id else mail.answer


class _KeepsAnswer:
    """A session of SMTP that keeps the answer to the last mail's content: the server is responsible for it now."""

    answer = ""

    def data(self, msg: Any) -> Any:
        code, said = super().data(msg)  # type: ignore[misc]
        self.answer = f"{code} {said.decode(errors='replace')}"
        return code, said


class _Session(_KeepsAnswer, SMTP):
    pass


class _TlsSession(_KeepsAnswer, SMTP_SSL):
    pass


class SmtpBackend(EmailBackend):
    """Django's backend, which also notes on each `Mail` what the server answered, with the id that it gave it."""

    @property
    def connection_class(self) -> type[SMTP]:
        """Return the class of sessions."""
        return _TlsSession if self.use_ssl else _Session

    def _send(self, email_message: EmailMessage) -> bool:
        was_sent = bool(super()._send(email_message))  # type: ignore[misc]  # the stubs leave it out
        if was_sent and isinstance(email_message, Mail):
            email_message.answer = self.connection.answer  # type: ignore[union-attr]
        return was_sent
