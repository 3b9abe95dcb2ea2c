"""Refusals of raffles, as problem details."""

from luxewin.api.json_schemas import TEXT, TEXTS, TIME
from luxewin.api.problems import Problem


class WrongPhase(Problem):
    """The raffle is not in a state that allows this."""

    code = "wrong_phase"
    title = "Not possible now"
    members = {"raffle_status": TEXT}


class SalesStopped(Problem):
    """Staff stopped the sale of all raffles for a while; `reason` and `since` say why and when."""

    status = 503
    code = "sales_stopped"
    title = "Sales are stopped"
    members = {"reason": TEXT, "since": TIME}
    retry_after = 60


class AlreadyStopped(Problem):
    """The sale of all raffles is stopped already."""

    code = "already_stopped"
    title = "Sales are stopped already"


class NotStopped(Problem):
    """The sale of all raffles is not stopped."""

    code = "not_stopped"
    title = "Sales are not stopped"


class TooLateToRemind(Problem):
    """The time of a reminder has come already."""

    code = "too_late_to_remind"
    title = "Too late for a reminder"


class TermsFixed(Problem):
    """The terms of a published raffle never change."""

    code = "terms_fixed"
    title = "Terms cannot change"
    members = {"fields": TEXTS}
