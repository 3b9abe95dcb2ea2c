"""Routes of raffles."""

from raffles.views import RaffleViewSet

ROUTES = [("raffles", RaffleViewSet, "raffles")]
