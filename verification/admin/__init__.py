"""Draws and claims in the back office."""

from verification.admin import claims, draws  # noqa: F401 register themselves
