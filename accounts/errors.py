"""What accounts refuse."""

from luxewin.api.problems import Problem


class WrongCredentials(Problem):
    """Unknown address, wrong password or inactive account: the answer does not say which."""

    status = 401
    code = "wrong_credentials"
    title = "Wrong e-mail or password"


class TokenRefused(Problem):
    """A refresh token that is malformed, used, expired or revoked."""

    status = 401
    code = "token_not_valid"
    title = "Token not valid"


class SessionNotFound(Problem):
    """No session of this person that is alive has this id."""

    status = 404
    code = "not_found"
    title = "No such session"


class LinkRefused(Problem):
    """A token from a mail that is malformed, used or expired."""

    status = 400
    code = "link_not_valid"
    title = "Link not valid"


class AccountInactive(Problem):
    """The token is good, but its account was closed or deleted since."""

    status = 401
    code = "user_inactive"
    title = "Account closed"


class SessionEnded(Problem):
    """The token is good, but its session was ended since."""

    status = 401
    code = "session_ended"
    title = "Session ended"


class EmailNotVerified(Problem):
    """The person has not yet shown that the address is theirs."""

    status = 403
    code = "email_not_verified"
    title = "E-mail not verified"
