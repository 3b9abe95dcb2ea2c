"""Routes of verification."""

from verification.prize_views import PrizeViewSet
from verification.views import VerificationViewSet
from verification.winners import WinnersViewSet

ROUTES = [
    ("verification", VerificationViewSet, "verification"),
    ("winners", WinnersViewSet, "winners"),
    ("users", PrizeViewSet, "prizes"),
]
