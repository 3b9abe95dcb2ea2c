"""What purchases won. Draws are of another app, which registers where their prizes stand when it is ready."""

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, CharField, Value
from django.db.models.expressions import Combinable


@dataclass
class Source:
    """Expressions of a purchase: whether it holds a prize, and the names of those prizes in order."""

    won: Combinable
    prizes: Combinable


SOURCE = Source(Value(False, output_field=BooleanField()), Value([], output_field=ArrayField(CharField())))


def register(*, won: Any, prizes: Any) -> None:
    """Have lists read from these expressions what a purchase won; `won` is boolean, `prizes` an array of names."""
    SOURCE.won, SOURCE.prizes = won, prizes
