"""Refusals of raffles, as problem details."""

from luxewin.api.json_schemas import TEXT, TEXTS
from luxewin.api.problems import Problem


class WrongPhase(Problem):
    """The raffle is not in a state that allows this."""

    code = "wrong_phase"
    title = "Not possible now"
    members = {"raffle_status": TEXT}


class TermsFixed(Problem):
    """The terms of a published raffle never change."""

    code = "terms_fixed"
    title = "Terms cannot change"
    members = {"fields": TEXTS}
