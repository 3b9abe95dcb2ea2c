"""The archive of an export: a ZIP with one file per area of data, written without holding it in memory."""

import io
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.serializers.json import DjangoJSONEncoder

from accounts.models import User
from accounts.privacy.exports import AREAS
from luxewin import tables
from luxewin.clock import database_now

MAX_BYTES = 64 * 1024 * 1024
README = """LuxeWin: everything that is held on {email}, as of {now:%Y-%m-%d %H:%M} UTC

One file for each kind of thing: JSON, a list of objects, times in UTC as RFC 3339, money in Stripe's unit (500 is
5.00 GBP). In CSV files, which are for spreadsheets, money is in the currency's main unit.
What belongs to other people, passwords, and the secrets of signing in are left out.

{files}

Why it is held (GDPR)
Your account, your purchases and what you were told: to keep the contract with you, Art. 6(1)(b). Age, country,
safeguards, the books and the audit: because the law on gambling, taxes and money laundering wants it, Art. 6(1)(c).
Sessions and addresses from which something was done: against fraud and theft of accounts, Art. 6(1)(f). Marketing: by
your consent, Art. 6(1)(a), which you can withdraw at any time.

For how long
Your account and what hangs on it until you have it deleted; books, draws and the audit for good, without your name.

Who gets it
Stripe, which takes payments and has your card; whoever delivers our mail; authorities where the law says so. The proofs
of draws are public and name nobody but winners who want it.

Your rights
You can have it rectified, erased or restricted, object to its use, and take it with you: write to our support. You have
the right to complain to a supervisory authority, for example that of the country where you live.
"""


class ArchiveTooLarge(Exception):
    """The data exceeds the size limit of an archive."""


def write_archive(user: User, file: IO[bytes]) -> None:
    """Write the archive; raise ArchiveTooLarge beyond MAX_BYTES.

    Cost: one or a few indexed queries per area. No transaction is held open: rows that change meanwhile are included as
    they were read.
    """
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        files = "\n".join(f"{area.name}: {area.about}" for area in AREAS.values())
        archive.writestr("README.txt", README.format(email=user.email, now=database_now(), files=files))
        for area in AREAS.values():
            with archive.open(area.name, "w") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
                rows = _bounded(area.rows(user), file)
                if area.columns:
                    _write_csv(area.columns, rows, text)
                else:
                    _write_json(rows, text)


def _bounded(rows: Iterable[dict[str, Any]], file: IO[bytes]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if file.tell() > MAX_BYTES:
            raise ArchiveTooLarge(f"the archive has more than {MAX_BYTES} bytes")
        yield row


def _write_json(rows: Iterable[dict[str, Any]], text: IO[str]) -> None:
    text.write("[")
    for number, row in enumerate(rows):
        text.write(",\n" if number else "\n")
        json.dump(row, text, cls=DjangoJSONEncoder, ensure_ascii=False)
    text.write("\n]\n")


def _write_csv(columns: Iterable[str], rows: Iterable[dict[str, Any]], text: IO[str]) -> None:
    text.writelines(tables.lines(columns, (row.values() for row in rows)))
