"""People and what is kept about them, a module for each part."""

from accounts.models.messages import EmailChange, LinkRequest, Notification
from accounts.models.people import Preferences, User, UserManager
from accounts.models.sessions import Session, SignInDelay

__all__ = [
    "EmailChange",
    "LinkRequest",
    "Notification",
    "Preferences",
    "Session",
    "SignInDelay",
    "User",
    "UserManager",
]
