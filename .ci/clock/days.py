# ruff: noqa: INP001 a script beside the one that calls it
"""Print the next of each kind of awkward moment (UTC) and a time zone to be in, earliest first."""

from calendar import isleap
from datetime import UTC, date, datetime, timedelta

today = datetime.now(UTC).date()


def coming(month: int, day: int, *, leap: bool = False) -> date:
    """The next such day after tomorrow."""
    years = (year for year in range(today.year, today.year + 10) if isleap(year) or not leap)
    return next(found for year in years if (found := date(year, month, day)) > today + timedelta(days=1))


last_of_march = coming(3, 31)
summer_time_begins = last_of_march - timedelta(days=(last_of_march.weekday() + 1) % 7)
moments = [
    f"{coming(1, 31)} 12:00:00 Pacific/Kiritimati",
    f"{coming(2, 29, leap=True)} 12:00:00 UTC",
    # Midnight and the change of the clocks come while the tests run.
    f"{coming(12, 31)} 23:59:30 Pacific/Pago_Pago",
    f"{summer_time_begins} 00:59:30 Europe/Berlin",
]
print(*sorted(moments), sep="\n")  # noqa: T201 it is what it is for
