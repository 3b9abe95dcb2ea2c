"""What purchases won, for `purchases.outcomes`."""

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef

from purchases import outcomes
from verification.models import Award


def register() -> None:
    """Have purchases read the prizes that their picks hold today."""
    held = Award.objects.filter(pick__purchase=OuterRef("pk"), lost_at=None)
    names = held.order_by("prize__position").values("prize__name")
    outcomes.register(won=Exists(held), prizes=ArraySubquery(names))
