"""The core of the audit: one append-only row for every change of state."""
