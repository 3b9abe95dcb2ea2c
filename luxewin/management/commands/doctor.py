"""`manage.py doctor`: what is wrong, on one page."""

import logging
from collections.abc import Iterator, Mapping
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from luxewin import __version__
from luxewin.health.probes import EXAMINER, Health, Probe
from luxewin.metrics.gauges import GAUGES, Gauge

PATIENCE_SECONDS = 10.0
type Finding = tuple[str, str]


class Command(BaseCommand):
    """Exit code 1 if anything is wrong. Changes nothing. Cost: a query for each gauge, a call of each outside part."""

    help = "Names what is wrong: parts that are down, work that is late, settings that are unsafe."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what is wrong first, then what is as it should be."""
        # What probes log is on the page.
        logging.disable(logging.ERROR)
        try:
            is_well = self._examine()
        finally:
            logging.disable(logging.NOTSET)
        if not is_well:
            raise SystemExit(1)

    def _examine(self) -> bool:
        self.stdout.write(f"LuxeWin {__version__} ({settings.LUXEWIN_ENV})\n\n")
        parts = _examined()
        wrong = [(part.name, part.detail) for part in parts if part.state != "ok"]
        reached = not {"database", "schema"} & {name for name, _ in wrong}
        if reached:
            wrong += _late()
        wrong += _unsafe(databases=["default"] if reached else [])
        for name, why in wrong:
            self.stdout.write(self.style.ERROR("wrong") + f"  {name}: {why}\n")
        if not reached:
            self.stdout.write("      Without the database nothing else can be said of the work.\n")
        self.stdout.write(f"ok     {', '.join(part.name for part in parts if part.state == 'ok') or 'nothing'}\n")
        return not wrong


def _examined() -> list[Health]:
    """Return each part's state, examined now, all at once; one that does not answer in time is down."""
    probes = [Probe(probe.name, probe.call, probe.required) for probe in EXAMINER.probes.values()]
    threads = [Thread(target=probe.examine, daemon=True) for probe in probes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return [probe.health() for probe in probes]


def _late() -> Iterator[Finding]:
    """Give each gauge that is beyond its bound."""
    for gauge in GAUGES:
        try:
            yield from _beyond(gauge)
        except DatabaseError as error:
            yield gauge.name, f"cannot be read: {error}"


def _beyond(gauge: Gauge) -> Iterator[Finding]:
    values = gauge.read()
    for label, value in (values if isinstance(values, Mapping) else {"": values}).items():
        if value > gauge.most:
            yield f"{gauge.name} {label}".strip(), f"{value:,.0f}, at most {gauge.most:,.0f}. {gauge.text}"


def _unsafe(databases: list[str]) -> Iterator[Finding]:
    """Give what `check --deploy` finds; what is for production only counts there."""
    is_deployed = settings.LUXEWIN_ENV != "development"
    for fault in run_checks(include_deployment_checks=is_deployed, databases=databases):
        if fault.level >= WARNING and not fault.is_silenced():
            yield str(fault.id), f"{fault.msg} {fault.hint or ''}".strip()
