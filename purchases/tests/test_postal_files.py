"""Files of letters: every fault named by row and column before anything is written; thousands of rows at once."""

import csv
import json
from datetime import date, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Notification, Preferences, User
from accounts.tests.spellings import REFUSED, SAME
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import nothing_written
from purchases import postal_files, services
from purchases.models import PostalEntry, Purchase
from purchases.services import postal
from purchases.tests.stage import counts, hold
from raffles.models import Raffle

HEAD = "reference,email,quantity,received_on\n"


@pytest.fixture
def today() -> str:
    return timezone.now().date().isoformat()


@pytest.fixture
def refused(sam, on_sale):
    """The faults of a file, given as text or bytes; nothing is written."""

    def load(content, raffle=None):
        raffle = fresh(raffle or on_sale())
        data = content if isinstance(content, bytes) else content.encode()
        with nothing_written(), pytest.raises(postal_files.PostalFileError) as refusal:
            postal_files.load_letters(data, raffle=raffle, actor=sam)
        return refusal.value.faults

    return load


def fresh(raffle):
    return Raffle.objects.with_phase().select_related("counter").get(pk=raffle.pk)


def test_a_file_is_entered_in_its_order_whatever_the_order_of_its_columns(alice, bob, sam, on_sale, today):
    raffle = on_sale()
    text = f"\ufeffEmail, quantity,reference,received_on\r\nBOB@example.com,2,R-1,{today}\r\n,,,\r\n"
    text += f'"alice@example.com", 3 ,"R, 2",{today}\r\n'
    entered = postal_files.load_letters(text.encode(), raffle=fresh(raffle), actor=sam)
    assert [(each.buyer, each.tickets["first"], each.quantity) for each in entered] == [(bob, 1, 2), (alice, 3, 3)]
    entries = PostalEntry.objects.order_by("purchase__first_ticket").values_list("reference", "received_on")
    assert list(entries) == [("R-1", date.fromisoformat(today)), ("R, 2", date.fromisoformat(today))]


def test_every_spelling_of_an_address_enters_its_person(alice, person, on_sale, today, tmp_path):
    carla, raffle, path = person("carla", role="support"), on_sale(), tmp_path / "letters.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEAD.strip().split(","))
        rows.writerows([f"R-{number}", text, 1, today] for number, text in enumerate(SAME.values()))
    _run(path, raffle, SAME["full-width letters"].replace("alice", "carla"))
    entered = Purchase.objects.filter(raffle=raffle)
    assert {each.buyer for each in entered} == {alice}
    assert entered.count() == len(SAME)
    assert AuditEntry.objects.filter(action="purchase.entered", actor=carla.pk).exists()


def test_an_address_that_no_mail_reaches_is_nobody_s(alice, refused, today):
    addresses = [text for text in REFUSED.values() if not set(text) & set("\0\r\n")]
    file = StringIO()
    csv.writer(file).writerows(
        [HEAD.strip().split(","), *([f"R-{number}", text, 1, today] for number, text in enumerate(addresses))]
    )
    faults = refused(file.getvalue())
    assert len(faults) == len(addresses) > 30
    assert all("email: " in fault for fault in faults)


@pytest.mark.parametrize("separator", [";", "\t", ","], ids=["semicolon", "tab", "comma"])
@pytest.mark.parametrize("first", ["", "sep={0}\r\n", "{0}{0}{0}\r\n"], ids=["plain", "named", "blank"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_as_excel_saves_it_is_entered(separator, first, encoding, bob, sam, on_sale, today):
    lines = ["REFERENCE;Email;QUANTITY;Received On;;", ";;;;;", f"R-1;bob@example.com;2;{today};;", "", ";;;;;"]
    text = first.format(separator) + "\r\n".join(line.replace(";", separator) for line in lines) + "\r\n"
    postal_files.load_letters(text.encode(encoding), raffle=fresh(on_sale()), actor=sam)
    entry = PostalEntry.objects.get()
    assert (entry.reference, str(entry.received_on), entry.purchase.quantity) == ("R-1", today, 2)


def test_all_faults_of_all_rows_are_named_at_once(alice, bob, sam, on_sale, refused, today):
    raffle = on_sale(capacity=20, max_per_person=5)
    old = {"entrant": alice, "quantity": 1, "reference": "OLD", "received_on": date.fromisoformat(today)}
    services.enter_postal(raffle_id=raffle.pk, actor=sam, **old)
    hold(alice, raffle, 2)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    tomorrow = date.fromisoformat(today) + timedelta(days=2)
    rows = [
        f"A,nobody@example.com,1.5,{today}",  # row 2
        f"A,alice@example.com,2,{today}",
        f"OLD,bob@example.com,1,{tomorrow}",
        f"B,alice@example.com,1,{today}",
        ",,,yesterday",
        f"C,sam@example.com,30,{today}",  # row 7
        f"OLD,alice@,-1,2026-02-30,{today}",
    ]
    assert refused(HEAD + "\n".join(rows), raffle) == ["row 8: has 5 cells, the heading 4"]
    rows[-1] = "OLD,alice@,-1,2026-02-30"
    assert refused(HEAD + "\n".join(rows), raffle) == [
        "the file: You asked for 34, but only 17 tickets are left.",
        "row 2: email: no account has the address nobody@example.com",
        "row 2: quantity: “1.5” is not a whole number of at least 1",
        "row 3: reference: A appears more than once.",
        "row 4: email: The account of bob@example.com is closed.",
        "row 4: received_on: This day is in the future.",
        "row 4: reference: OLD was already added to this raffle.",
        "row 5: quantity: alice@example.com can have at most 5 tickets and has 5 already. This entry has 1.",
        "row 6: email: is empty",
        "row 6: quantity: “” is not a whole number of at least 1",
        "row 6: received_on: “yesterday” is not a day such as 2026-01-31",
        "row 6: reference: must have 1 to 64 characters, all on one line",
        "row 7: email: You cannot add your own free entry. Ask a colleague.",
        "row 7: quantity: sam@example.com can have at most 5 tickets and has none yet. This entry has 30.",
        "row 8: email: no account has the address alice@",
        "row 8: quantity: “-1” is not a whole number of at least 1",
        "row 8: received_on: “2026-02-30” is not a day such as 2026-01-31",
        "row 8: reference: OLD was already added to this raffle.",
    ]


TABLES = {
    "empty": (b"", "the column reference is missing"),
    "blank lines": (b"\n\n\n", "the column reference is missing"),
    "heading only": (HEAD.encode(), "the file has no rows"),
    "empty rows only": (HEAD.encode() + b",,,\n\n , ,,\n", "the file has no rows"),
    "a column missing": (b"reference,email,quantity\nA,b@c.de,1\n", "the column received_on is missing"),
    "an unknown column": (b"reference,email,quantity,received_on,name\n", "there is no column name"),
    "a nameless column": (b"reference,,email,quantity,received_on\n", "there is no column without a name"),
    "cells beyond the heading": (HEAD.encode() + b"A,b@c.de,1,2026-01-31,more\n", "row 2: has 5 cells, the heading 4"),
    "a column twice": (b"reference,email,quantity,received_on,email\n", "the column email appears twice"),
    "bars": (b"reference|email|quantity|received_on\n", "no column reference|email|quantity|received_on"),
    "too few cells": (HEAD.encode() + b"A,b@c.de\n", "row 2: has 2 cells, the heading 4"),
    "not UTF-8": (HEAD.encode() + "É,b@c.de,1,2026-01-01".encode("latin-1"), "not UTF-8"),
    "half of UTF-16": (HEAD.encode("utf-16")[:-1], "not UTF-8"),
    "UTF-16 of which nothing is told": (HEAD.encode("utf-16-le"), "NUL"),
    "NUL": (HEAD.encode() + b"A\x00,b@c.de,1,2026-01-01", "NUL"),
    "binary": (bytes(range(128)) * 10, "NUL"),
    "an unclosed quote": (HEAD.encode() + b'"A,b@c.de,1,2026-01-01\nB,b@c.de,1,2026-01-01\n', "cannot be read"),
    "a cell beyond all measure": (HEAD.encode() + b"A" * 200_000, "cannot be read"),
    "too large": (HEAD.encode() + b"x" * postal_files.MAX_BYTES, f"larger than {postal_files.MAX_BYTES} bytes"),
    "too many rows": (HEAD.encode() + b"A,b,1,c\n" * (postal_files.MAX_ROWS + 1), "5001 rows, at most 5000"),
    "JSON": (json.dumps([{"reference": "A"}]).encode(), "is missing"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_file_that_is_no_table_of_letters_is_refused_in_plain_words(kind, refused):
    content, words = TABLES[kind]
    assert words in " ".join(refused(content))


CELLS = {
    "a huge number": ("A", "1" + "0" * 5000, "not a whole number"),
    "a number in another script": ("A", "٣", "not a whole number"),
    "zero": ("A", "0", "not a whole number"),
    "an underscore": ("A", "1_0", "not a whole number"),
    "a formula": ("A", "=1+1", "not a whole number"),
    "a reference too long": ("A" * 65, "1", "1 to 64 characters"),
    "a reference over two lines": ('"A\nB"', "1", "all on one line"),
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_weird_cell_is_named(kind, refused, bob, today):
    reference, quantity, words = CELLS[kind]
    faults = refused(f"{HEAD}{reference},bob@example.com,{quantity},{today}\n")
    assert [words in fault for fault in faults] == [True], faults


@pytest.mark.parametrize("day", ["20260131", "2026-W05-6", "31.01.2026", "2026-1-31", "2026-01-31T00:00"])
def test_a_day_is_written_in_one_way_only(day, refused, bob):
    assert "not a day" in refused(f"{HEAD}A,bob@example.com,1,{day}\n")[0]


def test_a_file_is_of_no_use_to_a_raffle_that_is_not_on_sale(refused, on_sale, bob, today):
    upcoming = on_sale(opens_at=timezone.now() + timedelta(hours=1))
    faults = refused(f"{HEAD}A,bob@example.com,1,{today}\n", upcoming)
    assert faults[0].startswith("the file: Tickets go on sale on"), faults


def test_what_changed_since_the_check_refuses_the_whole_file(alice, bob, sam, on_sale, today, monkeypatch):
    raffle = on_sale(capacity=5)
    read = postal_files.read_letters

    def and_then_somebody_buys(*args, **wanted):
        found = read(*args, **wanted)
        hold(alice, raffle, 5)
        return found

    monkeypatch.setattr(postal_files, "read_letters", and_then_somebody_buys)
    with pytest.raises(postal_files.PostalFileError) as refusal:
        postal_files.load_letters(f"{HEAD}A,bob@example.com,1,{today}".encode(), raffle=fresh(raffle), actor=sam)
    assert "Some may become available again" in refusal.value.faults[0]
    assert not PostalEntry.objects.exists()


def _run(path, raffle, by, *flags):
    output = StringIO()
    call_command("postal_entries", str(path), "--raffle", raffle.slug, "--by", by, *flags, stdout=output)
    return output.getvalue()


def test_the_command_checks_then_enters(bob, sam, on_sale, today, tmp_path):
    raffle, path = on_sale(), tmp_path / "letters.csv"
    path.write_text(f"{HEAD}A,bob@example.com,2,{today}\n")
    with nothing_written():
        assert "1 letters for 2 tickets could be entered, nothing was written" in _run(
            path, raffle, sam.email, "--check"
        )
    assert "1 letters for 2 tickets entered" in _run(path, raffle, "SAM@example.com")
    assert (counts(raffle), AuditEntry.objects.get(action="purchase.entered").actor) == ((0, 2), sam.pk)
    with nothing_written(), pytest.raises(CommandError, match="row 2: reference: A was already added"):
        _run(path, raffle, sam.email)


def test_the_command_refuses_in_plain_words_whom_and_what_it_does_not_know(sam, mona, alice, on_sale, draft, tmp_path):
    raffle, path = on_sale(), tmp_path / "letters.csv"
    path.write_text(HEAD)
    for email in (mona.email, alice.email, "nobody@example.com"):
        with pytest.raises(CommandError, match=f"{email} is nobody who may"):
            _run(path, raffle, email)
    with pytest.raises(CommandError, match="no published raffle"):
        _run(path, draft(slug="unseen"), sam.email)
    for missing in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(CommandError, match=str(tmp_path)):
            _run(missing, raffle, sam.email)
    User.objects.filter(pk=sam.pk).update(is_active=False)
    with pytest.raises(CommandError, match="is nobody who may"):
        _run(path, raffle, sam.email)


@pytest.mark.django_db(transaction=True)
def test_many_letters_cost_a_few_statements_and_not_one_each(sam, on_sale, today, django_assert_max_num_queries):
    raffle = on_sale(capacity=20_000)
    count = 1_200
    whole = {"password": "!", "date_of_birth": date(1990, 1, 1), "country": "GB", "email_verified_at": timezone.now()}
    User.objects.bulk_create(User(email=f"p{n}@example.com", **whole) for n in range(count))
    Preferences.objects.bulk_create(Preferences(user=user) for user in User.objects.exclude(pk=sam.pk))
    rows = [f"R-{n},p{n % 1000}@example.com,{1 + n % 3},{today}" for n in range(count)]
    data = (HEAD + "\n".join(rows)).encode()
    with django_assert_max_num_queries(30):
        postal_files.load_letters(data, raffle=fresh(raffle), actor=sam)
    assert Purchase.objects.paid().count() == count
    tickets = sum(1 + n % 3 for n in range(count))
    assert counts(raffle) == (0, tickets)
    with django_assert_max_num_queries(8):
        for task in [queued.task for queued in OrmQ.objects.all()]:
            if task["func"].endswith(".tell_entrants"):
                postal.tell_entrants(*task["args"])
    assert Notification.objects.mails().count() == count
