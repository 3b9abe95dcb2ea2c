"""Writes of accounts."""

from accounts.services.addresses import confirm_email_change, request_email_change
from accounts.services.links import answer_link_request, request_link
from accounts.services.passwords import change_password, reset_password
from accounts.services.profile import update_preferences, update_profile
from accounts.services.registration import register_user, verify_email
from accounts.services.signing_in import log_in

__all__ = [
    "answer_link_request",
    "change_password",
    "confirm_email_change",
    "log_in",
    "register_user",
    "request_email_change",
    "request_link",
    "reset_password",
    "update_preferences",
    "update_profile",
    "verify_email",
]
