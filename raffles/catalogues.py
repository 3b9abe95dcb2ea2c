"""Catalogue files: many raffles at once, from JSON or CSV. All faults are found before anything is written."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_duration
from django.utils.translation import ngettext

from luxewin import tables
from luxewin.api.problems import flatten
from luxewin.audit.services import Actor
from luxewin.clock import database_now
from raffles import services
from raffles.models import Raffle
from raffles.serializers import RaffleWriteSerializer

WHOLE_NUMBERS = (
    "ticket_price",
    "capacity",
    "max_per_person",
    "min_tickets",
    "alternates",
    "claim_seconds",
    "delay_seconds",
    "commit_within_seconds",
    "debit_percent",
)
FIELDS = {*RaffleWriteSerializer.Meta.fields, "opens_in", "closes_in"}
# A table's columns for `free_route`, by its members.
ROUTE = {"free_route_instructions": "instructions", "free_route_until": "until"}
MAX_BYTES = 20_000_000
# File endings of spreadsheet programs.
TABLES = {".csv", ".tsv", ".tab"}


class CatalogueError(ValueError):
    """The whole file was refused; `faults` names each fault by its row and field."""

    def __init__(self, faults: list[str]) -> None:
        count = ngettext("%d problem", "%d problems", len(faults)) % len(faults)
        super().__init__(f"{count} in the catalogue, nothing was saved")
        self.faults = faults


def load_catalogue(path: Path, *, publish: bool = False, actor: Actor | None = None) -> tuple[list[Raffle], list[str]]:
    """Write every raffle of the file as a draft, or published, in one transaction.

    A raffle whose slug exists is left as it is, so loading a file twice changes nothing. Return the new raffles and the
    slugs that existed. Raise CatalogueError that names every fault of the file.
    """
    rows = _checked(_rows(path))
    with transaction.atomic():
        existing = set(Raffle.objects.filter(slug__in=[row["slug"] for row in rows]).values_list("slug", flat=True))
        created = [services.create_raffle(actor=actor, **row) for row in rows if row["slug"] not in existing]
        if publish:
            created = [services.publish_raffle(raffle.pk, actor=actor) for raffle in created]
    return created, sorted(existing)


def _rows(path: Path) -> list[Any]:
    """Return the file's rows. JSON is a list of raffles as `raffles/create` takes them.

    CSV (`luxewin.tables`) has the same names as columns, prizes and choices separated by `|`, and the free route in two
    columns (ROUTE).
    """
    if path.stat().st_size > MAX_BYTES:
        raise CatalogueError([f"the file is larger than {MAX_BYTES} bytes"])
    try:
        if path.suffix.lower() in TABLES:
            return _csv_rows(tables.decode(path.read_bytes()))
        return _json_rows(path.read_text(encoding="utf-8-sig"))
    except tables.TableError as error:
        raise CatalogueError(error.faults) from error
    except CatalogueError:
        raise
    except (ValueError, RecursionError) as error:
        # Not UTF-8, not JSON, or a number with thousands of digits: each is a ValueError.
        raise CatalogueError([f"the file cannot be read: {error}"]) from error


def _json_rows(text: str) -> list[Any]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise CatalogueError(["the file must be a list of raffles"])
    return rows


def _csv_rows(text: str) -> list[dict[str, Any]]:
    heading, rows = tables.read(text)
    if twice := sorted({name for name in heading if heading.count(name) > 1}):
        raise CatalogueError([f"the column {name} stands there twice" for name in twice])
    cells = (zip(heading, row, strict=True) for row in rows.values())
    return [_typed({name: cell for name, cell in row if cell}) for row in cells]


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a CSV row's numbers, prizes and choices; text that is no number is left for validation."""
    for name in WHOLE_NUMBERS:
        if row.get(name, "").isdecimal() and len(row[name]) < 20:
            row[name] = int(row[name])
    row["prizes"] = [{"name": name} for name in _list(row, "prizes")]
    row["choices"] = _list(row, "choices")
    if route := {member: row.pop(name) for name, member in ROUTE.items() if name in row}:
        row["free_route"] = route
    return row


def _list(row: dict[str, Any], name: str) -> list[str]:
    return [item.strip() for item in row.get(name, "").split("|") if item.strip()]


def _checked(rows: list[Any]) -> list[dict[str, Any]]:
    checked, faults = [], []
    now = database_now()
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            faults.append(f"raffle {number}: must be an object")
            continue
        strange = [f"raffle {number}: {name}: there is no such field" for name in sorted(set(row) - FIELDS)]
        slug = [] if row.get("slug") else [f"raffle {number}: slug: every raffle of a catalogue needs one"]
        times = list(_resolve_times(row, now, number))
        serializer = RaffleWriteSerializer(data=row)
        serializer.is_valid()
        named = [f"raffle {number}: {fault['field']}: {fault['detail']}" for fault in flatten(serializer.errors)]
        if found := strange + slug + times + named:
            faults += found
        else:
            checked.append(serializer.validated_data)
    faults += _repeated([row["slug"] for row in checked])
    if faults or not rows:
        raise CatalogueError(faults or ["the catalogue is empty"])
    return checked


def _resolve_times(row: dict[str, Any], now: datetime, number: int) -> Iterable[str]:
    """Convert `opens_in` and `closes_in` (ISO 8601 durations from now) to times; yield faults."""
    for edge in ("opens", "closes"):
        text = row.pop(f"{edge}_in", None)
        if text is None:
            continue
        try:
            row[f"{edge}_at"] = (now + _duration(text)).isoformat()
        except (TypeError, ValueError, OverflowError):
            yield f"raffle {number}: {edge}_in: not an ISO 8601 duration such as P30D or PT90S"


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None:
        raise ValueError(text)
    return duration


def _repeated(slugs: list[str]) -> list[str]:
    return [
        f"slug {slug} stands {slugs.count(slug)} times in the file"
        for slug in sorted(set(slugs))
        if slugs.count(slug) > 1
    ]
