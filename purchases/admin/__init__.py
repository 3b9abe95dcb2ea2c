"""Purchases in the back office."""

from purchases.admin import lapses, postal, purchases, skill, stripe_records  # noqa: F401 register themselves
