"""Tables in files: read as spreadsheet programs save them, written so that they open without running formulas."""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

SEPARATORS = ",;\t"
# Excel's own first line, which names the separator and is no row.
SEPARATOR_LINE = re.compile('"?sep=([,;\t])"?', re.IGNORECASE)
# Beginnings that a spreadsheet program takes for a formula, wide forms included.
FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
BOM = "\ufeff"


class TableError(ValueError):
    """The file is no table; `faults` are messages for the person who made it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def decode(data: bytes) -> str:
    """Return the text of a UTF-8 file, or of UTF-16 as Excel's “Unicode text” begins. Raise TableError."""
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(["the file is not UTF-8: save it as “CSV UTF-8”"]) from error
    if "\0" in text:
        raise TableError(["the file has a NUL character: it is not CSV"])
    return text


def read(text: str) -> tuple[list[str], dict[int, list[str]]]:
    """Return the heading, in lower case, and each row's cells by its number as a spreadsheet program counts.

    Accept commas, semicolons and tabs, whichever the heading has most of; skip blank rows, and blank columns and cells
    to the right of the heading. Cells are stripped. A table without a heading has an empty one. Raise TableError on a
    file that is no CSV, and for each row with another number of cells.
    """
    if not text.strip(f"\r\n {SEPARATORS}"):
        return [], {}
    first, _, rest = text.partition("\n")
    told = SEPARATOR_LINE.fullmatch(first.rstrip("\r"))
    try:
        # Strict: an unclosed quote would make one cell of the rest of the file.
        reader = csv.reader(
            StringIO(rest if told else text, newline=""), delimiter=told[1] if told else _separator(text), strict=True
        )
        numbered = enumerate(
            ([cell.strip().replace("\r\n", "\n") for cell in row] for row in reader), start=2 if told else 1
        )
        rows = {number: row for number, row in numbered if any(row)}
    except csv.Error as error:
        raise TableError([f"the file cannot be read: {error}"]) from error
    heading = [_name(cell) for cell in _trimmed(rows.pop(next(iter(rows))))] if rows else []
    width = len(heading)
    fitting = {number: row[:width] if not any(row[width:]) else row for number, row in rows.items()}
    wrong = {number: row for number, row in fitting.items() if len(row) != width}
    if wrong and heading:
        raise TableError([f"row {number}: has {len(row)} cells, the heading {width}" for number, row in wrong.items()])
    return heading, fitting


def _separator(text: str) -> str:
    """Return the separator of the first line that is not blank; quoted text does not count."""
    line = next((line for line in text.splitlines() if line.strip(f" {SEPARATORS}")), "")
    bare = re.sub('"[^"]*"', "", line)
    return max(SEPARATORS, key=bare.count)


def _name(cell: str) -> str:
    """Convert `Received On` to `received_on`."""
    return re.sub(r"[\s-]+", "_", cell.lower())


def _trimmed(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row = row[:-1]
    return row


class _Line:
    """A file for the csv module that returns what is written."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


def lines(heading: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield a table as lines of a file for spreadsheet programs: with a byte order mark and no formulas.

    Text that would be taken for a formula begins with an apostrophe, which those programs hide. Numbers stay numbers.
    """
    writer: Any = csv.writer(_Line())
    yield BOM + writer.writerow(heading)
    for row in rows:
        yield writer.writerow([_plain(cell) for cell in row])


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, int | float | Decimal):
        return cell
    text = str(cell)
    return f"'{text}" if FORMULA.match(text.lstrip(" ")) else text
