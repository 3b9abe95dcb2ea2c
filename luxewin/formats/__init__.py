"""Input format of dates, in every language: year, month, day. `01/12/2026` is ambiguous, so it is refused."""
