"""What draws refuse, and why a step waits."""

from datetime import datetime

from luxewin.api.problems import Problem, Unavailable


class StepWaits(Exception):
    """The next step of a draw cannot be taken yet; says why and when to try again."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class ContractMissing(Unavailable):
    """A chain is configured, but no draw contract of ours is on it: a promise could not be anchored."""

    code = "contract_missing"
    title = "The draw contract is not deployed"


class NotDrawnYet(Problem):
    """The bundle comes into being with the draw; `state` says how far it is."""

    code = "not_drawn_yet"
    title = "Not drawn yet"


class NotFrozenYet(Problem):
    """The entries come into being when they are frozen."""

    code = "not_frozen_yet"
    title = "Entries are not frozen yet"
