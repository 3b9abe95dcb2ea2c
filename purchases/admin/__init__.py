"""Purchases in the back office."""

from purchases.admin import mirrors, purchases  # noqa: F401 register themselves
