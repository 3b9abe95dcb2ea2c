"""Gauges of draws."""

from django.db.models import Count

from luxewin.metrics import age_of_oldest, register
from verification.models import Draw

DUE = Draw.objects.unfinished()


def by_state() -> dict[str, int]:
    """Return how many draws that are not over are in each state."""
    counted = dict(Draw.objects.open().order_by().values_list("state").annotate(Count("pk")))
    return {state: counted.get(state, 0) for state in Draw.State.values}


register("draws", "Draws that are not over, by state.", by_state, label="state")
register(
    "draws_due_seconds", "How long a draw's next step has been due.", lambda: age_of_oldest(DUE, "due_at"), most=900
)
register(
    "draws_in_trouble", "Draws whose last step failed.", lambda: Draw.objects.open().exclude(trouble="").count(), most=0
)
