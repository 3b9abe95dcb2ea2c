"""The frame of `make bench`: what it is told on its command line, and what it says and writes of figures. No speeds."""

import pytest

from bench.__main__ import MISUSED, as_json, main, table
from bench.registry import BenchError, Figure, chosen, known

FIRST = ["list_vs_peer", "detail_vs_peer", "hold_vs_peer"]


def test_the_measurements_are_found_by_their_names() -> None:
    assert set(FIRST) <= set(known())


def test_every_measurement_says_what_it_measures_and_in_which_unit() -> None:
    assert all(each.summary and each.unit for each in known().values())


def test_without_names_everything_is_measured() -> None:
    assert [each.name for each in chosen("")] == list(known())


def test_names_are_measured_once_each_in_the_order_given() -> None:
    assert [each.name for each in chosen("hold_vs_peer, list_vs_peer,hold_vs_peer,")] == [
        "hold_vs_peer",
        "list_vs_peer",
    ]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"^unknown: fast, faster; there are .*list_vs_peer"):
        chosen("fast,list_vs_peer,faster")


def test_the_command_line_refuses_an_unknown_name_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "fast"]) == MISUSED
    assert "unknown: fast; there are" in capsys.readouterr().err


def test_listing_names_what_there_is_and_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}  [" in listed for name in FIRST)


def test_a_figure_is_the_medians_and_their_ratio() -> None:
    figure = Figure(values=[30.0, 10.0, 20.0], yardsticks=[8.0, 8.0, 100.0])
    assert (figure.value, figure.yardstick, figure.ratio) == (20.0, 8.0, 2.5)


def test_the_written_figures_have_exactly_the_promised_fields() -> None:
    figures = {known()["hold_vs_peer"]: Figure([20.0], [8.0])}
    assert as_json(figures) == {"hold_vs_peer": {"value": 20.0, "unit": "holds/s", "yardstick": 8.0, "ratio": 2.5}}


def test_the_table_shows_the_spread_of_both_sides() -> None:
    shown = table({known()["hold_vs_peer"]: Figure([30.0, 10.0, 20.0], [8.0, 8.0, 100.0])})
    assert shown.splitlines()[1].split() == ["hold_vs_peer", "20.0", "holds/s", "8.0", "2.50", "10-30", "|", "8-100"]
