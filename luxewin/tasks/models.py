"""What background work keeps in the database: claims on due rows, and the worker's sign of life."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

SILENCE = timedelta(seconds=30)


class Claimable(models.Model):
    """A row that waits for background work: `luxewin.tasks.sweeps.enqueue_due` claims it for a while."""

    claimed_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


class Heartbeat(models.Model):
    """When the timer of a worker last went round."""

    name = models.CharField(primary_key=True, max_length=64)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"

    @classmethod
    def beat(cls, name: str) -> None:
        """Says that this worker lives. Cost: one upsert."""
        cls.objects.update_or_create(name=name, defaults={"at": Now()})

    @classmethod
    def forget_old(cls) -> None:
        """Removes the rows of workers that are long gone."""
        cls.objects.filter(at__lt=Now() - timedelta(days=1)).delete()

    @classmethod
    def probe(cls) -> None:
        """Raises RuntimeError unless some worker beat within SILENCE."""
        last = cls.objects.order_by("-at").first()
        if last is None or timezone.now() - last.at > SILENCE:
            raise RuntimeError("no worker is running: start `manage.py worker`")
