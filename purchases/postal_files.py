"""Files of free entries: many letters at once, from CSV. All faults are found before anything is written."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from django.utils.translation import ngettext

from accounts.models import User
from luxewin import tables
from luxewin.api.problems import Problem
from purchases.models import Purchase
from purchases.services import create_postal_entries
from purchases.services.postal import PostalEntryRow, entrants, faults_of
from raffles.models import Raffle

COLUMNS = ("reference", "email", "quantity", "received_on")
MAX_BYTES = 600_000
MAX_ROWS = 5_000
MAX_REFERENCE = 64
# No raffle has more tickets than nine digits can express.
QUANTITY = re.compile(r"[0-9]{1,9}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class PostalFileError(ValueError):
    """The whole file was refused; `faults` names each fault by row and column, counting the heading as row 1."""

    def __init__(self, faults: list[str]) -> None:
        count = ngettext("%d problem", "%d problems", len(faults)) % len(faults)
        super().__init__(f"{count} in the file, nothing was saved")
        self.faults = faults


def load_letters(data: bytes, *, raffle: Raffle, actor: User) -> list[Purchase]:
    """Enter every row of the file into the raffle in one transaction. Raises PostalFileError naming every fault."""
    letters = read_letters(data, raffle=raffle, actor=actor)
    try:
        return create_postal_entries(raffle_id=raffle.pk, letters=letters, actor=actor)
    except Problem as problem:
        # Something has changed since the file was checked.
        raise PostalFileError([problem.detail]) from problem


def read_letters(data: bytes, *, raffle: Raffle, actor: User) -> list[PostalEntryRow]:
    """Read and check the rows of the file; write nothing. `raffle` is read with its phase and counter.

    Raises PostalFileError naming every fault. Cost: three queries.
    """
    rows = _rows(data)
    people = entrants(row["email"] for row in rows.values() if row.get("email"))
    cells: dict[int, dict[str, Any]] = {}
    faults: list[tuple[int, str]] = []
    for number, row in rows.items():
        cells[number] = {}
        for name, read in _readers(people).items():
            try:
                cells[number]["entrant" if name == "email" else name] = read(row[name])
            except ValueError as error:
                faults.append((number, f"row {number}: {name}: {error}"))
    numbers = list(cells)
    for fault in faults_of(raffle, list(cells.values()), actor):
        number = 0 if fault.place is None else numbers[fault.place]
        where = f"row {number}: {fault.field}" if number else "the file"
        faults.append((number, f"{where}: {fault.problem.detail}"))
    if faults:
        raise PostalFileError([text for _, text in sorted(faults)])
    return [PostalEntryRow(**row) for row in cells.values()]


def _rows(data: bytes) -> dict[int, dict[str, str]]:
    """Return each row's cells by row number. Raises PostalFileError unless the file is a table of our columns."""
    if len(data) > MAX_BYTES:
        raise PostalFileError([f"the file is larger than {MAX_BYTES} bytes"])
    try:
        heading, rows = tables.read(tables.decode(data))
    except tables.TableError as error:
        raise PostalFileError(error.faults) from error
    if faults := list(_faults_of_table(heading, rows)):
        raise PostalFileError(faults)
    return {number: dict(zip(heading, row, strict=True)) for number, row in rows.items()}


def _faults_of_table(heading: list[str], rows: dict[int, list[str]]) -> Iterator[str]:
    yield from (f"row 1: the column {name} is missing" for name in COLUMNS if name not in heading)
    yield from (f"row 1: there is no column {name or 'without a name'}" for name in heading if name not in COLUMNS)
    yield from (f"row 1: the column {name} appears twice" for name in COLUMNS if heading.count(name) > 1)
    if not rows:
        yield "the file has no rows"
    if len(rows) > MAX_ROWS:
        yield f"the file has {len(rows)} rows, at most {MAX_ROWS} can be added at once"


def _readers(people: dict[str, User]) -> dict[str, Callable[[str], Any]]:
    """Return, by column, a function that turns a cell into a value or raises ValueError saying why not."""

    def entrant(cell: str) -> User:
        if not cell:
            raise ValueError("is empty")
        if cell not in people:
            raise ValueError(f"no account has the address {cell}")
        return people[cell]

    return {"reference": _reference, "email": entrant, "quantity": _quantity, "received_on": _day}


def _reference(cell: str) -> str:
    if not 1 <= len(cell) <= MAX_REFERENCE or not cell.isprintable():
        raise ValueError(f"must have 1 to {MAX_REFERENCE} characters, all on one line")
    return cell


def _quantity(cell: str) -> int:
    if not QUANTITY.fullmatch(cell) or int(cell) == 0:
        raise ValueError(f"“{cell}” is not a whole number of at least 1")
    return int(cell)


def _day(cell: str) -> date:
    try:
        if DAY.fullmatch(cell):
            return date.fromisoformat(cell)
    except ValueError:
        pass
    raise ValueError(f"“{cell}” is not a day such as 2026-01-31")
