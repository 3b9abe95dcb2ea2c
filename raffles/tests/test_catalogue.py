"""`manage.py load_catalogue`: JSON and CSV, every fault named, all or nothing, harmless when repeated."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.management import call_command
from django.core.management.base import CommandError

from luxewin.tests.asking import nothing_written
from raffles import catalogues
from raffles.models import Raffle

SHIPPED = project.BASE_DIR / "raffles" / "catalogue"
ROW = {
    "slug": "watch",
    "title": "A watch",
    "category": "watch",
    "ticket_price": 500,
    "currency": "gbp",
    "capacity": 100,
    "max_per_person": 10,
    "opens_in": "PT0S",
    "closes_in": "P1D",
    "conditions": "Adults only.",
    "prizes": [{"name": "The watch"}],
}
HEAD = "slug,title,category,ticket_price,currency,capacity,max_per_person,opens_in,closes_in,prizes\n"


@pytest.fixture(autouse=True)
def usual_delay(settings):
    """The delay of rows that name none, as outside of tests."""
    settings.DRAW_DELAY_SECONDS = 60


def _load(path: Path | None = None, *arguments: str) -> str:
    output = StringIO()
    call_command("load_catalogue", *([str(path)] if path else []), *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def file(tmp_path):
    """Writes a catalogue file."""

    def write(content: object, name: str = "catalogue.json") -> Path:
        path = tmp_path / name
        data = (
            content
            if isinstance(content, bytes)
            else (content if isinstance(content, str) else json.dumps(content)).encode()
        )
        path.write_bytes(data)
        return path

    return write


def test_the_shipped_catalogue_is_a_dozen_raffles_that_can_be_published_at_once(db):
    assert "12 raffles loaded, 0 existed." in _load(None, "--publish")
    assert Raffle.objects.filter(status="published").count() == 12
    assert {raffle.currency for raffle in Raffle.objects.all()} <= {"gbp", "eur", "usd"}


def test_loading_twice_changes_nothing(db):
    _load()
    with nothing_written():
        assert "0 raffles loaded, 12 existed." in _load(None, "--publish")
    assert Raffle.objects.filter(status="draft").count() == 12


def test_the_csv_example_loads(db):
    _load(SHIPPED / "example.csv")
    villa = Raffle.objects.get(slug="tuscany-villa-week")
    assert [prize.name for prize in villa.prizes.all()] == [
        "A week for sixteen at Villa Cetona",
        "Wine tasting for two in Montalcino",
    ]
    assert (villa.ticket_price, villa.capacity, villa.status) == (600, 3000, "draft")
    assert villa.conditions.startswith("Open to adults")
    assert villa.free_route["instructions"].startswith("Send a letter")
    assert villa.free_route["until"] == villa.closes_at


def test_json_and_csv_give_the_same_raffle(file, db):
    _load(file([ROW]))
    _load(file(HEAD + "other,A watch,watch,500,gbp,100,10,PT0S,P1D,The watch", "c.csv"))
    one, other = (Raffle.objects.get(slug=slug) for slug in ("watch", "other"))
    for name in (
        "title",
        "category",
        "ticket_price",
        "currency",
        "capacity",
        "max_per_person",
        "delay_seconds",
        "min_tickets",
    ):
        assert getattr(one, name) == getattr(other, name)


def test_a_csv_from_a_spreadsheet_loads(file, db):
    text = (
        "\ufeff"
        + HEAD.replace("title", "title,description")
        + 'watch,A watch,"Two\r\nlines, ""quoted""",watch,500,GBP,100,10,PT0S,P1D,A | B\r\n'
    )
    _load(file(text.replace("prizes\n", "prizes\r\n"), "c.CSV"))
    raffle = Raffle.objects.get()
    assert raffle.description == 'Two\nlines, "quoted"'
    assert [prize.name for prize in raffle.prizes.all()] == ["A", "B"]


def test_only_what_is_new_is_written(file, db):
    _load(file([ROW]))
    assert "1 raffles loaded, 1 existed." in _load(file([ROW | {"title": "Changed"}, ROW | {"slug": "new"}]))
    assert Raffle.objects.get(slug="watch").title == "A watch"


def test_every_fault_of_every_row_is_named_and_nothing_is_written(file, db):
    rows = [
        ROW,
        {},
        ROW | {"slug": "b", "capacity": 0, "currency": "zzz"},
        5,
        ROW | {"slug": "c", "closes_in": "soon"},
        ROW,
    ]
    with nothing_written(), pytest.raises(CommandError) as refusal:
        _load(file(rows))
    text = str(refusal.value)
    for fault in (
        "raffle 2: title",
        "raffle 2: slug",
        "raffle 3: capacity",
        "raffle 3: currency",
        "raffle 4: ",
        "raffle 5: closes_in",
        "slug watch stands 2 times",
    ):
        assert fault in text


def test_a_csv_fault_is_named_by_row_and_field(file, db):
    with nothing_written(), pytest.raises(CommandError, match="raffle 1: ticket_price") as refusal:
        _load(file(HEAD + "a,A,watch,five,gbp,100,10,PT0S,P1D,\n", "c.csv"))
    assert "raffle 1: prizes" in str(refusal.value)


WEIRD = {
    "empty": b"",
    "not json": b"{",
    "an object": b"{}",
    "null": b"null",
    "no rows": b"[]",
    "binary": bytes(range(256)),
    "numbers": b"[1, 2]",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "huge number": b"[" + b"9" * 5000 + b"]",
    "NaN": b'[{"slug": "a", "capacity": NaN}]',
    "nested": b'[[{"slug": "a"}]]',
    "slug is a list": b'[{"slug": ["a"], "title": {}}]',
    "times are numbers": b'[{"slug": "a", "closes_in": 5}]',
    "far future": json.dumps([ROW | {"closes_in": "P999999999D"}]).encode(),
    "NUL": json.dumps([ROW | {"title": "a\x00b"}]).encode(),
    "half a pair": json.dumps([ROW | {"title": "a\ud800b"}]).encode(),
    "prizes are text": json.dumps([ROW | {"prizes": "a"}]).encode(),
}


@pytest.mark.parametrize("name", ["c.json", "c.csv", "c.txt"])
@pytest.mark.parametrize("kind", WEIRD)
def test_a_weird_file_is_refused_in_plain_words(kind, name, file, db):
    with nothing_written(), pytest.raises(CommandError) as refusal:
        _load(file(WEIRD[kind], name))
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"slug\n", b"\n\n\n", b'slug,title\n"unclosed', b"a,b\n1,2,3,4\n", b"\xff\xfe", b"slug,slug\na,b\n"],
)
def test_a_weird_csv_is_refused_in_plain_words(content, file, db):
    with nothing_written(), pytest.raises(CommandError):
        _load(file(content, "c.csv"))


def test_a_missing_file_and_a_folder_are_refused_in_plain_words(tmp_path, db):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(CommandError, match=str(tmp_path)):
            _load(path)


def test_a_file_that_is_too_large_is_not_read(file, db, monkeypatch):
    monkeypatch.setattr(catalogues, "MAX_BYTES", 10)
    with pytest.raises(CommandError, match="larger than 10 bytes"):
        _load(file([ROW]))


def test_if_one_raffle_cannot_be_published_none_is_written(file, db):
    rows = [ROW, ROW | {"slug": "over", "opens_in": "-P2D", "closes_in": "-P1D"}]
    with nothing_written(), pytest.raises(CommandError, match="closes_at"):
        _load(file(rows), "--publish")


@pytest.mark.parametrize(("separator", "name"), [(";", "c.csv"), ("\t", "c.tsv"), ("\t", "c.csv")])
def test_a_csv_as_excel_saves_it_loads(separator, name, file, db):
    heading = HEAD.strip().upper().replace(",", separator) + 2 * separator
    row = "watch;A watch;watch;500;GBP;100;10;PT0S;P1D;The watch;;".replace(";", separator)
    blank = 11 * separator
    _load(file(f"\ufeff{blank}\r\n{heading}\r\n{blank}\r\n{row}\r\n\r\n{blank}", name))
    assert [prize.name for prize in Raffle.objects.get(slug="watch").prizes.all()] == ["The watch"]


def test_what_was_loaded_is_echoed_with_price_and_times(file, db):
    told = _load(file([ROW]))
    assert "5.00 GBP a ticket, from " in told
    assert told.count(" UTC") == 2
