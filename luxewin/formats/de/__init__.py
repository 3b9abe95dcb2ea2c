"""Input format of dates in German."""
