"""How raffles are found in the back office."""

from re import Match

from django.db.models import QuerySet

from luxewin.finding import finder
from luxewin.ids import UUID_PATTERN
from raffles.models import Raffle
from raffles.slugs import slug_of


def _by_title(match: Match[str]) -> QuerySet[Raffle]:
    begins = slug_of(match[0])
    return Raffle.objects.filter(slug__startswith=begins).order_by("slug") if begins else Raffle.objects.none()


finder("Raffle by the beginning of its title or web address", r"[^@]{2,}", _by_title)
finder("Raffle by id", UUID_PATTERN, lambda match: Raffle.objects.filter(pk=match[0]))
