"""Writes of draws: the promise at publication, then one idempotent step after another."""

from verification.services.entries import prove_entry
from verification.services.promises import promise_draw, promised_beacon, void_draw
from verification.services.steps import advance_draw

__all__ = ["advance_draw", "promise_draw", "promised_beacon", "prove_entry", "void_draw"]
