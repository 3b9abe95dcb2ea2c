"""Routes of verification."""

from verification.views import VerificationViewSet

ROUTES = [("verification", VerificationViewSet, "verification")]
