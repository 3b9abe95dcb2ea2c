"""The back office itself: access, sign-in and shared page rules. Its pages are in each app's `admin`."""
