"""Input format of dates in English."""
