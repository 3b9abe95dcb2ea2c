"""Addresses to which no mails are sent, because they bounced or complained, or staff want it so."""

from uuid import UUID

from django.db import transaction

from accounts.authority import check_authority, check_reason, lock_for_staff
from accounts.errors import AddressBlocked, AddressNotBlocked
from accounts.models import BlockedAddress, Notification, User
from accounts.notifications import recipient_of
from luxewin.audit.services import record


def block_recipient(notification_id: str, *, resends: int, because: BlockedAddress.Because, said: str) -> None:
    """Block the address to which this mail went, as its provider says it bounces or complained. Idempotent.

    `resends` says which sending it is about; of an earlier or an unknown one nothing is noted.
    """
    sent = Notification.objects.mails().filter(pk=UUID(notification_id), resends=resends, attempts__gt=0)
    mail = sent.select_related("user").first()
    if mail is None or mail.user.is_deleted:
        return
    facts = {"user": mail.user, "because": because, "detail": said[:200]}
    with transaction.atomic():
        _, is_new = BlockedAddress.objects.get_or_create(email=mail.recipient or recipient_of(mail), defaults=facts)
        if is_new:
            record("user.address_blocked", mail.user, after={"because": because})


def block_address(person: User, *, reason: str, actor: User) -> BlockedAddress:
    """Send no more mails to a person's address.

    Raise AddressBlocked, InvalidInput without a reason, InsufficientRights, OwnAccount and AccountErased.
    """
    check_reason(reason)
    with transaction.atomic():
        known = lock_for_staff(person, actor=actor)
        facts = {"user": known, "because": BlockedAddress.Because.STAFF, "detail": reason[:200]}
        blocked, is_new = BlockedAddress.objects.get_or_create(email=known.email, defaults=facts)
        if not is_new:
            raise AddressBlocked("No mails go to this address already.")
        record("user.address_blocked", known, actor=actor, after={"because": blocked.because, "reason": reason})
    return blocked


def unblock_address(blocked: BlockedAddress, *, reason: str, actor: User) -> None:
    """Send mails to an address again; those that were not sent stay so, unless staff send them again.

    Raise AddressNotBlocked if somebody else was quicker, InvalidInput without a reason, and InsufficientRights.
    """
    check_reason(reason)
    check_authority(actor, blocked.user)
    with transaction.atomic():
        if not BlockedAddress.objects.filter(pk=blocked.pk).delete()[0]:
            raise AddressNotBlocked("Mails go to this address again already.")
        before = {"because": blocked.because}
        record("user.address_unblocked", blocked.user, actor=actor, before=before, after={"reason": reason})
