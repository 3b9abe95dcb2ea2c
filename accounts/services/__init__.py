"""Writes of accounts."""

from accounts.services.addresses import (
    change_email_for,
    check_email_change_link,
    confirm_email_change,
    request_email_change,
)
from accounts.services.blocked_addresses import block_address, block_recipient, unblock_address
from accounts.services.closing import close_account, reopen_account
from accounts.services.deletion import (
    carry_out_deletion,
    check_keeping_link,
    delete_account,
    keep_account,
    request_deletion,
)
from accounts.services.exclusions import are_excluded_cards, remember_excluded_cards
from accounts.services.exports import check_export_link, latest_export, make_export, open_export, request_export
from accounts.services.identities import log_in_with_supabase, unlink_identity
from accounts.services.inbox import mark_all_read, mark_read
from accounts.services.links import answer_link_request, request_link
from accounts.services.mailboxes import give_mailbox
from accounts.services.messages import note_outcome, send_again, suppress
from accounts.services.passwords import (
    change_password,
    change_password_in_back_office,
    reset_password,
    set_password_for,
)
from accounts.services.preferences import unsubscribe, update_preferences, withdraw_consent
from accounts.services.profile import correct_profile, update_profile
from accounts.services.registration import add_person, register_user, verify_email
from accounts.services.retention import apply_rule, change_rule, count_due
from accounts.services.rights import set_rights
from accounts.services.safeguards import exclude_from_buying, pause_buying, set_spend_limit
from accounts.services.second_factor import (
    confirm_authenticator,
    offer_authenticator,
    renew_recovery_codes,
    request_authenticator,
    reset_second_factor,
    state_of,
    switch_off,
)
from accounts.services.signing_in import complete_second_factor, confirm_session, log_in
from accounts.services.terms import accept_terms, publish_terms, set_country_rule, terms_in_force

__all__ = [
    "accept_terms",
    "add_person",
    "answer_link_request",
    "apply_rule",
    "are_excluded_cards",
    "block_address",
    "block_recipient",
    "carry_out_deletion",
    "change_email_for",
    "change_password",
    "change_password_in_back_office",
    "change_rule",
    "check_email_change_link",
    "check_export_link",
    "check_keeping_link",
    "close_account",
    "complete_second_factor",
    "confirm_authenticator",
    "confirm_email_change",
    "confirm_session",
    "correct_profile",
    "count_due",
    "delete_account",
    "exclude_from_buying",
    "give_mailbox",
    "keep_account",
    "latest_export",
    "log_in",
    "log_in_with_supabase",
    "make_export",
    "mark_all_read",
    "mark_read",
    "note_outcome",
    "offer_authenticator",
    "open_export",
    "pause_buying",
    "publish_terms",
    "register_user",
    "remember_excluded_cards",
    "renew_recovery_codes",
    "reopen_account",
    "request_authenticator",
    "request_deletion",
    "request_email_change",
    "request_export",
    "request_link",
    "reset_password",
    "reset_second_factor",
    "send_again",
    "set_country_rule",
    "set_password_for",
    "set_rights",
    "set_spend_limit",
    "state_of",
    "suppress",
    "switch_off",
    "terms_in_force",
    "unblock_address",
    "unlink_identity",
    "unsubscribe",
    "update_preferences",
    "update_profile",
    "verify_email",
    "withdraw_consent",
]
