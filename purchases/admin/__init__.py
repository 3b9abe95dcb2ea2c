"""Purchases in the back office."""

from purchases.admin import lapses, mirrors, postal, purchases, skill  # noqa: F401 register themselves
