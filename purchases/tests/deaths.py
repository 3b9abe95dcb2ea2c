"""Sudden death: a process that ends between what Stripe did and what we write, or in the midst of a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from django.utils.module_loading import import_string
from hypothesis import strategies as st

# Where a process can die: at Stripe, once it has done what it was asked; or in the midst of a transaction of ours.
DEATHS = (
    *(f"purchases.gateway.{call}" for call in ("create_intent", "retrieve_intent", "cancel_intent", "create_refund")),
    *(f"purchases.services.{module}.record" for module in ("settlement", "holds", "refunds")),
    "purchases.services.settlement.record_all",
)
SOMETIMES_DIES = st.one_of(st.none(), st.none(), st.sampled_from(DEATHS))


class Died(BaseException):
    """The process is gone; no handler of exceptions sees it."""


@contextmanager
def mortal(place: str | None) -> Iterator[list[str]]:
    """The process dies at this place, should it come there; what it gives is the list of deaths."""
    deaths: list[str] = []
    if place is None:
        yield deaths
        return
    real = import_string(place)

    def dies(*arguments: Any, **named: Any) -> None:
        if place.startswith("purchases.gateway"):
            real(*arguments, **named)
        deaths.append(place)
        raise Died

    with patch(place, dies), suppress(Died):
        yield deaths
