"""Shapes of what accounts take and give."""
