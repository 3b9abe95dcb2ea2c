"""Gauges of what is in the database: read when Prometheus asks, so that every process says the same."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from django.db import DatabaseError, models
from django.db.models.functions import Extract, Now
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)
type Values = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A gauge with one value, or one for each value of `label`; `most` is the largest that is as it should be."""

    name: str
    text: str
    read: Callable[[], Values]
    label: str = ""
    most: float = inf

    def family(self) -> GaugeMetricFamily:
        """Read it. Raise DatabaseError."""
        values = self.read()
        family = GaugeMetricFamily(f"luxewin_{self.name}", self.text, labels=[self.label] if self.label else [])
        if isinstance(values, Mapping):
            for value, number in values.items():
                family.add_metric([value], number)
        else:
            family.add_metric([], values)
        return family


GAUGES: list[Gauge] = []


def register(name: str, text: str, read: Callable[[], Values], *, label: str = "", most: float = inf) -> None:
    """Add `luxewin_NAME`. `read` costs a query of an index at most; it is called at each scrape.

    Beyond `most`, `manage.py doctor` names it; `deploy/prometheus/alerts.yml` has the same bound.
    """
    GAUGES.append(Gauge(name, text, read, label, most))


def age_of_oldest(rows: models.QuerySet[models.Model], field: str) -> float:
    """Return how many seconds ago the earliest time of these rows was, by the database's clock; 0 if there is none."""
    age = Now() - models.Min(field, output_field=models.DateTimeField())
    found = rows.aggregate(age=Extract(models.ExpressionWrapper(age, models.DurationField()), "epoch"))["age"]
    return max(0.0, float(found or 0.0))


class Gauges(Collector):
    """All of them. One that cannot be read is left out, and `luxewin_unread_gauges` counts it."""

    def collect(self) -> Iterator[Metric]:
        """Read each."""
        unread = 0
        for gauge in GAUGES:
            try:
                yield gauge.family()
            except DatabaseError as error:
                unread += 1
                log.warning("the gauge %s cannot be read: %s", gauge.name, error, extra={"cause": "gauge"})
        yield GaugeMetricFamily("luxewin_unread_gauges", "Gauges that could not be read this time.", value=unread)
