"""Routes of accounts."""

from accounts.views import AuthViewSet, UserViewSet

ROUTES = [("auth", AuthViewSet, "auth"), ("users", UserViewSet, "users")]
