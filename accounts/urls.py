"""Routes of accounts."""

from accounts.views import AuthViewSet, SessionViewSet, UserViewSet

ROUTES = [("auth", AuthViewSet, "auth"), ("auth", SessionViewSet, "sessions"), ("users", UserViewSet, "users")]
