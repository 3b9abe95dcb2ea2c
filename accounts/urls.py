"""Routes of accounts."""

from accounts.views.auth import AuthViewSet
from accounts.views.sessions import SessionViewSet
from accounts.views.users import UserViewSet

ROUTES = [("auth", AuthViewSet, "auth"), ("auth", SessionViewSet, "sessions"), ("users", UserViewSet, "users")]
