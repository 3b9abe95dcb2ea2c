"""People in the back office. Django finds the pages by importing this package."""

from accounts.admin import messages, people, sessions, signing_in

__all__ = ["messages", "people", "sessions", "signing_in"]
