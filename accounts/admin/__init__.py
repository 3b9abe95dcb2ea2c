"""People in the back office. Django finds the pages by importing this package."""

from accounts.admin import identities, messages, people, privacy, roles, safeguards, second_factor, sessions

__all__ = ["identities", "messages", "people", "privacy", "roles", "safeguards", "second_factor", "sessions"]
