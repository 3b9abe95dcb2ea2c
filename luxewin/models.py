"""Facts that processes share through the database."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now


class WrongClock(models.Model):
    """A process that takes no work because of its clock (`luxewin.clock`); updated every ten seconds."""

    process = models.CharField(primary_key=True, max_length=100, help_text="Host and process id.")
    seconds = models.FloatField(help_text="Ahead of the database's clock; behind is negative.")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        side = "ahead of" if self.seconds > 0 else "behind"
        return f"the clock of {self.process} is {abs(self.seconds):.1f} s {side} the database's"

    @classmethod
    def note(cls, process: str, seconds: float) -> None:
        """Record the process, and delete those not heard of for a day. Cost: a few statements."""
        cls.objects.update_or_create(process=process, defaults={"seconds": seconds, "at": Now()})
        cls.objects.filter(at__lt=Now() - timedelta(days=1)).delete()

    @classmethod
    def probe(cls) -> None:
        """Raise RuntimeError that names the processes recorded within the last minute. Cost: one query."""
        if wrong := list(cls.objects.filter(at__gt=Now() - timedelta(minutes=1)).order_by("process")[:5]):
            raise RuntimeError(f"{'; '.join(map(str, wrong))}: set them by NTP")
