"""People and the data kept about them, one module per topic."""

from accounts.models.identities import Identity
from accounts.models.messages import BlockedAddress, EmailChange, ForgottenSubscriber, LinkRequest, Notification
from accounts.models.people import Preferences, User, UserManager
from accounts.models.privacy import Deletion, ExcludedAddress, Export, ExportPart, FormerIdentifier, RetentionRule
from accounts.models.safeguards import CountryRule, EligibilityChange, Safeguards, SpendLimit, Terms, TermsAcceptance
from accounts.models.second_factor import Authenticator, RecoveryCode
from accounts.models.sessions import Session, SignInDelay

__all__ = [
    "Authenticator",
    "BlockedAddress",
    "CountryRule",
    "Deletion",
    "EligibilityChange",
    "EmailChange",
    "ExcludedAddress",
    "Export",
    "ExportPart",
    "ForgottenSubscriber",
    "FormerIdentifier",
    "Identity",
    "LinkRequest",
    "Notification",
    "Preferences",
    "RecoveryCode",
    "RetentionRule",
    "Safeguards",
    "Session",
    "SignInDelay",
    "SpendLimit",
    "Terms",
    "TermsAcceptance",
    "User",
    "UserManager",
]
