"""Refusals of accounts, as problem details."""

from datetime import datetime
from math import ceil

from luxewin.api.json_schemas import INTEGER, TEXT, TEXTS, TIME, TIME_OR_NULL
from luxewin.api.problems import Problem
from luxewin.clock import database_now


class WrongCredentials(Problem):
    """Unknown address, wrong password or inactive account: the answer does not say which."""

    status = 401
    code = "wrong_credentials"
    title = "Wrong e-mail or password"


class TokenRefused(Problem):
    """A token that is malformed, used, expired or revoked: refresh or sign in."""

    status = 401
    code = "token_not_valid"
    title = "Sign in again"


class SecondFactorRequired(Problem):
    """The password was right, and this account has a second factor; send the `challenge` to auth/login/second."""

    status = 401
    code = "second_factor_required"
    title = "Code required"
    members = {"challenge": TEXT, "expires_in": INTEGER}


class ChallengeRefused(Problem):
    """A challenge that is malformed or too old, or whose account has changed its password."""

    status = 401
    code = "challenge_not_valid"
    title = "Sign in again"


class WrongCode(Problem):
    """Neither a current authenticator code nor a recovery code, or already used."""

    status = 401
    code = "wrong_code"
    title = "Wrong code"


class SecondFactorNeeded(Problem):
    """The role has the permission, but this session was opened with the password alone."""

    status = 403
    code = "second_factor_needed"
    title = "Sign in with your second factor"


class ConfirmationNeeded(Problem):
    """An action that could do harm on a stolen device: the person must confirm who they are."""

    status = 403
    code = "confirmation_needed"
    title = "Confirm that it is you"


class SecondFactorMissing(Problem):
    """There is no second factor to confirm, renew or switch off."""

    code = "no_second_factor"
    title = "No second factor"


class SecondFactorMandatory(Problem):
    """People with rights must keep a second factor."""

    code = "second_factor_mandatory"
    title = "Second factor required for your role"


class SessionNotFound(Problem):
    """This person has no live session with this id."""

    status = 404
    code = "not_found"
    title = "No such session"


class IdentityNotFound(Problem):
    """This person has no linked account elsewhere with this id."""

    status = 404
    code = "not_found"
    title = "No such linked sign-in"


class LinkRefused(Problem):
    """A token from a mail that is malformed, used or expired."""

    status = 400
    code = "link_not_valid"
    title = "This link does not work"


class AccountInactive(Problem):
    """The token is valid, but its account was closed or deleted since."""

    status = 401
    code = "user_inactive"
    title = "Account closed"


class SessionEnded(Problem):
    """The token is valid, but its session has ended since."""

    status = 401
    code = "session_ended"
    title = "Session ended"


class EmailNotVerified(Problem):
    """The person has not yet verified their address."""

    status = 403
    code = "email_not_verified"
    title = "E-mail not verified"


class PasswordWanted(Problem):
    """People with rights here must sign in with a password, not through an account elsewhere."""

    status = 403
    code = "password_wanted"
    title = "Sign in with your password"


class SupabaseNotConfigured(Problem):
    """No Supabase project is named in the settings."""

    status = 404
    code = "supabase_not_configured"
    title = "No Supabase project"


class SelfExcluded(Problem):
    """The person excluded themselves from buying; `excluded_until` says until when, null is for good."""

    status = 403
    code = "self_excluded"
    title = "You are excluded from buying"
    members = {"excluded_until": TIME_OR_NULL}


class Paused(Problem):
    """The person paused their buying until `paused_until`."""

    status = 403
    code = "paused"
    title = "You paused buying"
    members = {"paused_until": TIME}


class DuplicateAccount(Problem):
    """Another account has the same mailbox; staff decide which of them stays."""

    status = 403
    code = "duplicate_account"
    title = "Another account has your mailbox"


class ProfileIncomplete(Problem):
    """Profile `fields` are missing that decide whether the person may buy."""

    status = 403
    code = "profile_incomplete"
    title = "Your profile is incomplete"
    members = {"fields": TEXTS}


class UnderAge(Problem):
    """The person is too young to buy where they live: `minimum_age` is required."""

    status = 403
    code = "under_age"
    title = "Too young to buy"
    members = {"minimum_age": INTEGER}


class CountryNotAllowed(Problem):
    """Nobody may buy in the person's country or region."""

    status = 403
    code = "country_not_allowed"
    title = "Not for sale where you live"


class TermsNotAccepted(Problem):
    """The terms in force were not accepted; `version` and `url` identify them."""

    status = 403
    code = "terms_not_accepted"
    title = "Accept the terms first"
    members = {"version": TEXT, "url": TEXT}


class StaysInForce(Problem):
    """A pause or an exclusion can be made longer, never shorter; `until` says how long it lasts (null: for good)."""

    code = "stays_in_force"
    title = "It cannot be made shorter"
    members = {"until": TIME_OR_NULL}


class PlaceFixed(Problem):
    """Country and region were changed recently; `changeable_at` says when they can be changed again."""

    code = "place_fixed"
    title = "Country and region cannot be changed yet"
    members = {"changeable_at": TIME}


class InsufficientRights(Problem):
    """Staff cannot give or take a right that they lack, nor change the account of a person who has one."""

    status = 403
    code = "insufficient_rights"
    title = "You do not have the right for this"


class OwnAccount(Problem):
    """Staff cannot use their rights on their own account."""

    status = 403
    code = "own_account"
    title = "This is your own account"


class AccountClosed(Problem):
    """The account is closed already."""

    code = "account_closed"
    title = "The account is closed"


class AccountOpen(Problem):
    """The account is open already."""

    code = "account_open"
    title = "The account is open"


class AccountErased(Problem):
    """The person was erased for good."""

    code = "account_erased"
    title = "This account was erased"


class ExportTooSoon(Problem):
    """One archive a day; `again_at` says when the next can be requested."""

    status = 429
    code = "export_too_soon"
    title = "You already asked for your data today"
    members = {"again_at": TIME}

    def __init__(self, again_at: datetime) -> None:
        self.retry_after = max(1, ceil((again_at - database_now()).total_seconds()))
        super().__init__(
            "You can ask for a copy of your data once a day. We e-mail you its link when it is ready.",
            again_at=again_at.isoformat(),
        )


OBSTACLES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"code": TEXT, "detail": TEXT, "about": TEXT | {"description": "Its subject's id, or empty."}},
        "required": ["code", "detail", "about"],
    },
}


class DeletionBlocked(Problem):
    """Something must end first: `obstacles` names each by `code`, `detail` and its subject."""

    code = "deletion_blocked"
    title = "The account cannot be deleted yet"
    members = {"obstacles": OBSTACLES}

    def __init__(self, obstacles: list[dict[str, str]]) -> None:
        super().__init__(" ".join(each["detail"] for each in obstacles), obstacles=obstacles)


class NoTerms(Problem):
    """No terms of sale are in force."""

    status = 404
    code = "no_terms"
    title = "No terms are in force"


class SpendLimitReached(Problem):
    """The purchase exceeds the person's monthly limit: `limit`, `spent` and `left` in `currency`."""

    code = "spend_limit_reached"
    title = "Monthly spending limit reached"
    members = {"currency": TEXT, "limit": INTEGER, "spent": INTEGER, "left": INTEGER}


class AddressBlocked(Problem):
    """An address that is blocked cannot be blocked again."""

    status = 409
    code = "address_blocked"
    title = "Blocked already"


class AddressNotBlocked(Problem):
    """An address that is not blocked cannot be unblocked."""

    status = 409
    code = "address_not_blocked"
    title = "Not blocked"


class MessageUnderWay(Problem):
    """A message that is queued or on its way cannot be sent again."""

    status = 409
    code = "message_under_way"
    title = "Being sent already"


class MessageGone(Problem):
    """A message whose contents retention or an erasure removed cannot be sent again."""

    status = 409
    code = "message_gone"
    title = "Not kept any more"


class MessageNotFound(Problem):
    """There is no such message in the person's inbox."""

    status = 404
    code = "not_found"
    title = "Not found"


#: What a buyer may be refused for.
BUYER_REFUSED = (
    AccountInactive,
    SessionEnded,
    EmailNotVerified,
    SelfExcluded,
    Paused,
    DuplicateAccount,
    ProfileIncomplete,
    UnderAge,
    CountryNotAllowed,
    TermsNotAccepted,
)
