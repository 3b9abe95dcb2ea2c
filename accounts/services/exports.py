"""Exports: requested by the person, made by a worker, downloaded by a mailed link."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.authority import check_authority
from accounts.errors import EmailNotVerified, ExportTooSoon, LinkRefused
from accounts.links import REFUSED, export_links
from accounts.models import Export, ExportPart, RetentionRule, User
from accounts.notifications import notify
from accounts.privacy.archives import ArchiveTooLarge, write_archive
from luxewin.audit.services import record
from luxewin.clock import database_now

log = logging.getLogger(__name__)
PAUSE = timedelta(days=1)
PART_BYTES = 1024 * 1024


def request_export(user: User, *, actor: User, reason: str = "") -> Export:
    """Have a worker make an archive; at most one a day. Raise ExportTooSoon, EmailNotVerified, InsufficientRights.

    `reason` is where staff note how they were asked. The link always goes to the person's own address, so it must be
    verified.
    """
    with transaction.atomic():
        # Under the lock: of two concurrent requests, the second sees the first.
        person = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        check_authority(actor, person)
        if person.email_verified_at is None:
            raise EmailNotVerified("Verify your e-mail address first: we send the link to your data there.")
        recent = Q(created_at__gt=Now() - PAUSE) | Q(status=Export.Status.WAITING)
        last = person.exports.exclude(status=Export.Status.FAILED).filter(recent).order_by("-created_at").first()
        if last:
            raise ExportTooSoon(last.created_at + PAUSE)
        export = Export.objects.create(user=person)
        export.refresh_from_db()
        after = {"export": str(export.pk)} | ({"reason": reason} if reason else {})
        record("user.export_requested", person, actor=actor, after=after)
    return export


def latest_export(user: User) -> Export | None:
    """Return the person's newest archive that still exists."""
    return user.exports.order_by("-created_at").first()


def make_export(export_id: UUID) -> None:
    """Make the archive and have its link mailed. Idempotent; the attempt is counted before the work.

    Cost: that of `write_archive`, and the archive once on disk and once in the database, one part at a time.
    """
    rows = Export.objects.filter(pk=export_id, status=Export.Status.WAITING)
    if not rows.update(attempts=F("attempts") + 1):
        return
    export = rows.select_related("user").get()
    if export.attempts > Export.MAX_ATTEMPTS:
        _give_up(export, "it was tried too often: its worker died each time")
        return
    with TemporaryFile() as file:
        try:
            write_archive(export.user, file)
        except ArchiveTooLarge as error:
            _give_up(export, str(error))
            return
        _store(export, file)


def _store(made: Export, file: IO[bytes]) -> None:
    with transaction.atomic():
        # Locked against a concurrent deletion; the row is gone if one came first.
        export = Export.objects.select_for_update().filter(pk=made.pk, status=Export.Status.WAITING).first()
        if export is None:
            return
        export.parts.all().delete()
        export.size = file.tell()
        file.seek(0)
        for number, content in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
            ExportPart.objects.create(export=export, number=number, content=content)
        export.status, export.ready_at = Export.Status.READY, database_now()
        export.expires_at = export.ready_at + timedelta(days=RetentionRule.objects.get(pk="exports").keep_days)
        export.save()
        record("user.exported", made.user, after={"export": str(export.pk), "bytes": export.size})
        facts = {"export": export.pk.hex, "expires_at": export.expires_at.isoformat()}
        notify(made.user, "export_ready", about=export.pk, **facts)


def _give_up(export: Export, why: str) -> None:
    log.error("export %s is given up: %s", export.pk, why)
    Export.objects.filter(pk=export.pk).update(status=Export.Status.FAILED, error=why[:200])


def check_export_link(*, token: str) -> Export:
    """Return the archive that this token opens now; raise LinkRefused. Changes nothing; one query."""
    export_id, stamp = export_links.row_of(token)
    found = Export.objects.select_related("user").filter(pk=export_id, status=Export.Status.READY)
    export = found.filter(expires_at__gt=Now()).first()
    if export is None or not export_links.is_of(stamp, export.user):
        raise LinkRefused(REFUSED)
    return export


def open_export(*, token: str) -> tuple[Export, Iterator[bytes]]:
    """Return the archive of a mailed link, one part at a time; every download is audited. Raise LinkRefused.

    The link dies with the archive, and when the address or the password changes. It also works for a closed account:
    people may see the data held on them until it is erased.
    """
    export = check_export_link(token=token)
    record("user.export_fetched", export.user, after={"export": str(export.pk)})
    return export, _content(export)


def _content(export: Export) -> Iterator[bytes]:
    # One query per part, so that a slow download holds no cursor open.
    for number in export.parts.values_list("number", flat=True):
        yield bytes(export.parts.values_list("content", flat=True).get(number=number))
