"""Messages to people, and requests that wait for a mailed link."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.models.fields import CanonicalEmailField
from accounts.models.people import User
from accounts.querysets import NotificationQuerySet
from luxewin.ids import uuid7
from luxewin.lines import LineField
from luxewin.tasks.models import Claimable


class LinkRequest(Claimable):
    """A request by address alone for a mailed link; deleted once it was answered or needs no answer."""

    class Kind(models.TextChoices):
        VERIFY = "verify_email", "Verify the address"
        RESET = "reset_password", "Reset the password"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40, choices=Kind.choices, help_text="Which message is sent.")
    email = CanonicalEmailField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} since {self.created_at:%Y-%m-%d %H:%M}"


class EmailChange(models.Model):
    """A new address that waits until the links mailed to it and to the old one were both opened."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="email_change")
    email = CanonicalEmailField()
    old_confirmed_at = models.DateTimeField(null=True)
    new_confirmed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id} to {self.email}"


class BlockedAddress(models.Model):
    """An address to which no mails are sent until staff unblock it; other channels go on."""

    class Because(models.TextChoices):
        BOUNCED = "bounced", "Mails bounce"  # the provider says for good
        COMPLAINED = "complained", "Marked a mail as spam"
        STAFF = "staff", "By staff"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        User, models.CASCADE, related_name="blocked_addresses", help_text="To whom the mails were, or whose it was."
    )
    email = CanonicalEmailField(unique=True)
    because = models.CharField(max_length=10, choices=Because.choices)
    detail = LineField(max_length=200, blank=True, help_text="What the provider said, or the reason of staff.")
    created_at = models.DateTimeField("blocked at", db_default=Now())

    class Meta:
        verbose_name = "blocked address"
        verbose_name_plural = "blocked addresses"

    def __str__(self) -> str:
        return f"{self.email}: {self.get_because_display().lower()}"


class Notification(Claimable):
    """A message to a person over one channel: written with the change it reports, delivered by a worker.

    In the inbox it is at once; its words are written each time it is read. Of a mail the words are kept as they were
    last written for sending, without what opens anything or must be found by an erasure. Retention and erasure empty
    CONTENTS and set `contents_removed_at`; that it was sent stays.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        INBOX = "inbox", "Inbox"  # of the site: `users/notifications`
        NOVU = "novu", "Novu"  # push, SMS or chat, as the operator has set it up there

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"  # to be sent, or being tried again
        SENT = "sent", "On its way"  # handed over, and the answer is not known yet; tried again if it never is
        ACCEPTED = "accepted", "Accepted"  # the mail server or Novu took it
        DELIVERED = "delivered", "Delivered"  # it is in the inbox, or the provider says that the mail arrived
        FAILED = "failed", "Failed"  # given up after MAX_ATTEMPTS, or it bounced
        SUPPRESSED = "suppressed", "Not sent"  # by staff, or for the reason in `error` when its turn came

    MAX_ATTEMPTS: ClassVar[int] = 12
    OPEN: ClassVar[list[str]] = ["queued", "sent"]
    CONTENTS: ClassVar[dict[str, Any]] = {
        "context": {},
        "recipient": "",
        "subject": "",
        "text": "",
        "answer": "",
        "error": "",
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    kind = models.CharField("message", max_length=40, help_text="For example purchase_paid or draw_won.")
    channel = models.CharField(max_length=8, choices=Channel.choices, default=Channel.EMAIL, db_default=Channel.EMAIL)
    context = models.JSONField(default=dict)
    # Of the kind, its subject and the person: one message a channel, however often its task runs.
    dedupe_key = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    resends = models.PositiveSmallIntegerField(
        "sent again", default=0, db_default=0, help_text="How often staff had it sent again."
    )
    in_digest = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="One mail tells it with others of its event."
    )
    recipient = models.CharField("sent to", max_length=254, blank=True, db_default="")
    subject = models.CharField(max_length=400, blank=True, db_default="")
    text = models.TextField(blank=True, db_default="")
    answer = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Of the mail server or Novu, which took it."
    )
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True, editable=False, help_text="In the inbox.")
    contents_removed_at = models.DateTimeField(null=True, editable=False)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = "message"
        permissions = [
            ("resend_notification", "Can send messages again"),
            ("view_notification_words", "Can read the words of messages"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["dedupe_key", "channel"], name="notification_once_a_channel"),
        ]
        indexes = [
            models.Index(
                fields=["claimed_until"],
                condition=models.Q(status__in=["queued", "sent"]),
                name="accounts_notification_open",
            ),
            models.Index(
                fields=["user", "-id"], condition=models.Q(channel="inbox"), name="accounts_notification_inbox"
            ),
            models.Index(
                fields=["user"],
                condition=models.Q(channel="inbox", read_at=None, contents_removed_at=None),
                name="accounts_notification_unread",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}: {self.status}"


class ForgottenSubscriber(Claimable):
    """An erased person whom Novu still has to forget; deleted once it did. The id is that of the person."""

    id = models.UUIDField(primary_key=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.pk} since {self.created_at:%Y-%m-%d %H:%M}"
