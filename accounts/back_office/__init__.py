"""The back office itself: who gets in, and how. Its pages are each room's `admin`."""
