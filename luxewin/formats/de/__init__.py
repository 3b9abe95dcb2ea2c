"""Dates as they are typed in this language."""
