"""Routes of accounts."""

from accounts.views.auth import AuthViewSet
from accounts.views.identities import IdentityViewSet
from accounts.views.inbox import InboxViewSet
from accounts.views.privacy import PrivacyViewSet
from accounts.views.safeguards import SafeguardsViewSet
from accounts.views.second_factor import SecondFactorViewSet
from accounts.views.sessions import SessionViewSet
from accounts.views.users import UserViewSet

ROUTES = [
    ("auth", AuthViewSet, "auth"),
    ("auth", SessionViewSet, "sessions"),
    ("users", UserViewSet, "users"),
    ("users", SecondFactorViewSet, "second-factor"),
    ("users", IdentityViewSet, "identities"),
    ("users", InboxViewSet, "inbox"),
    ("users", PrivacyViewSet, "privacy"),
    ("users", SafeguardsViewSet, "safeguards"),
]
