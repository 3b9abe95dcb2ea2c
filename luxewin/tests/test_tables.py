"""Tables for spreadsheet programs: no cell becomes a formula, and what was written is read back."""

import csv
import io
from decimal import Decimal

import pytest

from luxewin import tables


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "=cmd|'/C c'!A0"])
def test_text_is_never_a_formula(text):
    (line,) = list(csv.reader(io.StringIO("".join(tables.lines(["a"], [[text]])), newline="")))[1:]
    assert line == [f"'{text}"]


def test_numbers_stay_numbers_and_text_stays_text():
    first, row = tables.lines(["a", "b", "c", "d"], [[-5, Decimal("-5.00"), None, 'Żółć, "日本"']])
    assert first == "\ufeffa,b,c,d\r\n"
    assert row == '-5,-5.00,,"Żółć, ""日本"""\r\n'


def test_what_was_written_is_read_back():
    text = "".join(tables.lines(["Title", "Received On"], [["A; b", "2,5"], ["Two\nlines", ""]]))
    assert tables.read(tables.decode(text.encode())) == (
        ["title", "received_on"],
        {2: ["A; b", "2,5"], 3: ["Two\nlines", ""]},
    )


@pytest.mark.parametrize("text", ["", "\n\n", ",,\n,,", ";;\n\n;;", "sep=;\n", "sep=;"])
def test_a_table_of_nothing_has_no_heading(text):
    assert tables.read(text) == ([], {})


def test_a_separator_within_quotes_is_none():
    assert tables.read('"a;b;c",d\n1,2\n') == (["a;b;c", "d"], {2: ["1", "2"]})
