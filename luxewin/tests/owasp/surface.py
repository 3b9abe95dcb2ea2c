"""What the attacker has before them: every operation of the API's document, and what would show that one succeeded."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db import connection
from django.http import HttpResponseBase
from drf_spectacular.generators import SchemaGenerator
from psycopg import sql
from rest_framework.test import APIClient

from luxewin.api.schema import FILES
from luxewin.tests.asking import OURS
from luxewin.tests.contract.sample_data import BODIES, NEEDED, World


@dataclass(frozen=True)
class Operation:
    """One verb at one path, as the API's document has it."""

    verb: str
    path: str
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """As in world.BODIES."""
        return f"{self.verb.upper()} {self.path.removeprefix('/api/v1/')}"

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.verb != "get"

    @property
    def is_closed(self) -> bool:
        """Whether it is for people who are signed in alone."""
        return {} not in self.facts.get("security", [{}])

    @property
    def is_for_staff(self) -> bool:
        """Whether a role is needed."""
        return self.path.startswith("/api/v1/raffles/") and self.writes

    @property
    def takes(self) -> dict[str, Any]:
        """The properties of its body, by name."""
        body = self.facts.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        return resolved(body).get("properties", {})

    def filled(self, **values: object) -> str:
        """Its path with these values, and nobody's id where there is none."""
        return re.sub(r"\{(\w+)\}", lambda name: str(values.get(name[1], uuid4())), self.path)

    def body(self, world: World) -> dict[str, Any]:
        """A body that it takes, if it reads one."""
        NEEDED.get(self.name, lambda world: None)(world)
        made = BODIES.get(self.name)
        assert made or not self.takes, f"give {self.name} a body in luxewin/tests/contract/sample_data.py"
        return made(world) if made else {}


@cache
def document() -> dict[str, Any]:
    """The API's own description, without the files that no view of the router makes."""
    made = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))
    return made | {"paths": {path: verbs for path, verbs in made["paths"].items() if path not in FILES}}


@cache
def operations() -> tuple[Operation, ...]:
    """All of them."""
    return tuple(
        Operation(verb, path, facts)
        for path, verbs in document()["paths"].items()
        for verb, facts in verbs.items()
        if isinstance(facts, dict)
    )


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document()["components"]["schemas"][name] if name else schema


def snapshot() -> dict[str, list[str]]:
    """Every row of ours, as JSON by table."""
    tables = sorted({model._meta.db_table for label in OURS for model in apps.get_app_config(label).get_models()})
    rows = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, coalesce(json_agg(t), '[]') FROM {} AS t").format(table, sql.Identifier(table))
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(rows)
        return {table: sorted(json.dumps(row, sort_keys=True) for row in rows) for table, rows in cursor.fetchall()}


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Fails if any row of ours was added, taken away or changed meanwhile."""
    before = snapshot()
    yield
    assert snapshot() == before


def ask(client: APIClient, verb: str, path: str, body: Any = None, **headers: str) -> HttpResponseBase:
    """Any request, with an idempotency key."""
    return getattr(client, verb)(path, body, headers={"Idempotency-Key": uuid4().hex} | headers)
