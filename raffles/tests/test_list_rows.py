"""Rows of lists are made without instances and serializers, and are what those would make."""

import json

import pytest
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder

from luxewin.tests.asking import client_of
from raffles import services
from raffles.models import Raffle, TicketCounter
from raffles.serializers import RaffleSerializer, RaffleSummarySerializer

ODD = 'Crème “brûlée” \u2028 </script> \\ " 💎'


@pytest.fixture
def all_kinds(on_sale) -> list[Raffle]:
    """With every field set, and with as few as possible."""
    now = timezone.now()
    full = on_sale(
        title=ODD,
        description=ODD,
        image_url="https://example.com/a.jpg",
        question="2 + 2?",
        choices=["3", "4", ODD],
        answer="4",
        prizes=[
            {"name": ODD, "description": ODD, "retail_value": 10**12, "cash_alternative": 0},
            *({"name": str(number)} for number in range(2, 13)),
        ],
    )
    TicketCounter.objects.filter(pk=full.pk).update(held=1, sold=2, postal=1)
    drawn, cancelled = on_sale(title="drawn"), on_sale(title="cancelled")
    Raffle.objects.filter(pk=drawn.pk).update(closed_at=now, frozen_at=now, drawn_at=now.replace(microsecond=0))
    services.cancel_raffle(cancelled.pk, reason=ODD)
    return [full, drawn, cancelled]


def test_a_row_is_what_the_serializer_makes(all_kinds):
    shown = client_of().get("/api/v1/raffles/list").json()["results"]
    expected = RaffleSummarySerializer(Raffle.objects.in_full().order_by("listing", "id"), many=True).data
    # Member by member and in their order, as a client sees it.
    assert json.dumps(shown) == json.dumps(json.loads(json.dumps(expected, cls=JSONEncoder)))
    assert len(shown) == len(all_kinds)


def test_a_row_is_part_of_what_the_raffle_s_own_address_gives(all_kinds):
    for row in client_of().get("/api/v1/raffles/list").json()["results"]:
        whole = client_of().get(f"/api/v1/raffles/{row['id']}").json()
        assert whole.items() >= row.items()
        assert set(whole) == set(RaffleSerializer.Meta.fields)


def test_the_statement_of_a_first_page_is_made_once_and_run_each_time(all_kinds, on_sale, monkeypatch):
    def titles():
        return {row["title"] for row in client_of().get("/api/v1/raffles/list?page_size=7").json()["results"]}

    made, real = [], SQLCompiler.as_sql

    def as_sql(self, *arguments, **named):
        made.append(self.query.model)
        return real(self, *arguments, **named)

    monkeypatch.setattr(SQLCompiler, "as_sql", as_sql)
    before = titles()
    assert len(before) == len(all_kinds)
    assert Raffle in made
    on_sale(title="a new one")
    made.clear()
    assert titles() == before | {"a new one"}
    assert Raffle not in made
