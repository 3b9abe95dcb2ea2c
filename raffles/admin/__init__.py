"""Raffles in the back office."""

from raffles.admin import raffles, sale_stops  # noqa: F401 register themselves
