"""Routes of verification."""

from verification.views import VerificationViewSet
from verification.winners import WinnersViewSet

ROUTES = [("verification", VerificationViewSet, "verification"), ("winners", WinnersViewSet, "winners")]
