"""The currencies of tickets, and how Stripe counts them, from `currencies.csv`.

Every amount in the database, the API and the manifests of draws is an integer in the unit of Stripe's API, so nothing
is converted to or from Stripe. That unit is not always ISO 4217's: see the table.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Currency:
    """How amounts of one currency are charged."""

    #: ISO 4217, in lower case as Stripe writes it.
    code: str
    #: Decimal places of an amount of the API: 2 if 500 is 5.00.
    decimals: int
    #: Every amount is a multiple of this.
    multiple: int
    #: The smallest amount that can be charged.
    minimum: int


def _table() -> Iterator[Currency]:
    with Path(__file__).with_suffix(".csv").open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            yield Currency(row["code"], int(row["decimals"]), int(row["multiple"]), int(row["minimum"]))


CURRENCIES = {currency.code: currency for currency in _table()}


def is_currency(code: str) -> bool:
    """Whether a card can be charged in it; upper or lower case."""
    return code.lower() in CURRENCIES
