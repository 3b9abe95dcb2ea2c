"""Routes of raffles."""

from raffles.favourites import FavouriteViewSet
from raffles.shop import ShopViewSet
from raffles.views import RaffleViewSet

ROUTES = [
    ("shop", ShopViewSet, "shop"),
    ("raffles", RaffleViewSet, "raffles"),
    ("users", FavouriteViewSet, "favourites"),
]
