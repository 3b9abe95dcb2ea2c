"""The command line, `python -m dev.bench [--only NAME,…] [--json FILE] [--smallest | --full] [--list]`."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dev.bench.ground import Ground, Size
from dev.bench.registry import BenchError, Figure, Measurement, chosen
from dev.launch import STATE
from dev.services import ServiceError
from luxewin.progress import progress

MISUSED, FAILED = 2, 1
EXPLANATION = (
    "value and yardstick are medians of the rounds, which alternate between the two; ratio = value / yardstick "
    "(of a rate: above 1 the product does more); spread is the slowest to the fastest round, product | yardstick"
)


def main(argv: Sequence[str]) -> int:
    """Run the chosen measurements; return 0, 1 if one could not be made, or 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="measures the product beside its yardsticks")
    parser.add_argument("--only", default="", metavar="NAME,…", help="these measurements; all without it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write {NAME: {value, unit, yardstick, ratio}} there")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--full",
        action="store_true",
        help="whole backlogs (100,000 events, 10,000 refunds) and long measurements; hours",
    )
    sizes.add_argument(
        "--smallest", action="store_true", help="only to see that measurements run; the figures mean nothing"
    )
    parser.add_argument("--list", action="store_true", help="name the measurements and say what each is")
    options = parser.parse_args(argv)
    try:
        measurements = chosen(options.only, with_long=options.full or options.smallest or options.list)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return MISUSED
    if options.list:
        for each in measurements:
            print(f"{each.name}  [{each.unit}]\n    {each.summary}")
        return 0
    size = Size.FULL if options.full else Size.SMALLEST if options.smallest else Size.USUAL
    return _run(measurements, options.json, size)


def _run(measurements: Sequence[Measurement], file: Path | None, size: Size) -> int:
    """Run the measurements; show and write the figures of all that could be made, and name the others."""
    figures: dict[Measurement, Figure] = {}
    failures: list[str] = []
    # Other work disturbs both sides, but not equally: readers of the figures should know of it.
    print(f"{os.cpu_count()} cores, load average before the start {os.getloadavg()[0]:.1f} (should be near 0)")
    try:
        with Ground(STATE / "bench", size=size) as ground:
            for each in measurements:
                started = time.monotonic()
                print(f"{each.name}: {each.summary}", flush=True)
                try:
                    with progress(each.name):
                        figures[each] = each.run(ground)
                except BenchError as error:
                    failures.append(f"{each.name}: {error}")
                    continue
                print(f"{each.name}: {figures[each].ratio:.2f}, took {time.monotonic() - started:.0f} s", flush=True)
    except ServiceError as error:
        failures.append(str(error))
    except KeyboardInterrupt:
        failures.append("interrupted")
    if figures:
        print(f"\n{table(figures)}\n{EXPLANATION}")
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(as_json(figures), indent=2) + "\n")
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    return FAILED if failures else 0


def as_json(figures: dict[Measurement, Figure]) -> dict[str, dict[str, float | str]]:
    """Return what `--json` writes."""
    return {
        each.name: {
            "value": round(figure.value, 3),
            "unit": each.unit,
            "yardstick": round(figure.yardstick, 3),
            "ratio": round(figure.ratio, 3),
        }
        for each, figure in figures.items()
    }


def table(figures: dict[Measurement, Figure]) -> str:
    """Format the figures for people, with their notes below."""
    rows = [("name", "value", "unit", "yardstick", "ratio", "spread")]
    for each, figure in figures.items():
        spread = " | ".join(f"{min(side):.0f}-{max(side):.0f}" for side in (figure.values, figure.yardsticks))
        rows.append(
            (each.name, f"{figure.value:.1f}", each.unit, f"{figure.yardstick:.1f}", f"{figure.ratio:.2f}", spread)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines + [f"{each.name}: {figure.note}" for each, figure in figures.items() if figure.note])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
