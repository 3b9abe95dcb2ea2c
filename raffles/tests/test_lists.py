"""Lists of raffles: phases by the clock, filters, orders, search, pages."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from luxewin.tests.asking import client_of
from raffles import services
from raffles.checks import typos_are_found
from raffles.filters import RaffleFilter
from raffles.models import Raffle, TicketCounter


def _titles(**query: object) -> list[str]:
    response = client_of().get(f"/api/v1/raffles/list?{urlencode(query, doseq=True)}")
    assert response.status_code == 200, response.content
    return [raffle["title"] for raffle in response.json()["results"]]


@pytest.fixture
def phases(on_sale, draft) -> dict[str, Raffle]:
    """A raffle in each phase, named after it."""
    now, day = timezone.now(), timedelta(days=1)
    made = {
        "upcoming": on_sale(title="upcoming", opens_at=now + day, closes_at=now + 2 * day),
        "open": on_sale(title="open"),
        "closing": on_sale(title="closing"),
        "drawing": on_sale(title="drawing"),
        "drawn": on_sale(title="drawn"),
        "cancelled": on_sale(title="cancelled"),
    }
    draft(title="draft")
    for name, change in {
        "closing": {"closed_at": now},
        "drawing": {"closed_at": now, "frozen_at": now},
        "drawn": {"closed_at": now, "frozen_at": now, "drawn_at": now},
    }.items():
        Raffle.objects.filter(pk=made[name].pk).update(**change)
    services.cancel_raffle(made["cancelled"].pk, reason="A flood.")
    return made


@pytest.mark.parametrize("phase", ["upcoming", "open", "closing", "drawing", "drawn", "cancelled"])
def test_each_phase_is_shown_and_filtered_alike(phase, phases):
    assert _titles(phase=phase) == [phase]
    assert client_of().get(f"/api/v1/raffles/{phases[phase].pk}").json()["phase"] == phase


def test_drafts_are_never_in_the_list_not_even_for_managers(phases, mona):
    assert set(_titles()) == set(phases)
    assert "draft" not in {raffle["title"] for raffle in client_of(mona).get("/api/v1/raffles/list").json()["results"]}


def test_several_phases_and_categories_are_either_or(phases, on_sale):
    assert set(_titles(phase=["open", "drawn"])) == {"open", "drawn"}
    on_sale(title="A car", category="car")
    assert _titles(category="car") == ["A car"]
    assert len(_titles(category=["car", "watch"])) == 7


def test_the_database_s_clock_decides_and_not_the_worker(on_sale, db):
    now = timezone.now()
    raffle = on_sale(opens_at=now - timedelta(hours=2), closes_at=now + timedelta(hours=1))
    with connection.cursor() as cursor:
        # The terms are guarded even from us.
        cursor.execute("ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        cursor.execute("UPDATE raffles_raffle SET closes_at = now() - interval '1 second' WHERE id = %s", [raffle.pk])
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER")
    assert Raffle.objects.get(pk=raffle.pk).closed_at is None
    assert client_of().get(f"/api/v1/raffles/{raffle.pk}").json()["phase"] == "closing"


@pytest.fixture
def priced(on_sale) -> None:
    """Three raffles of different price and end."""
    now = timezone.now()
    for title, price, days in (("b", 200, 3), ("a", 100, 2), ("c", 300, 1)):
        on_sale(title=title, ticket_price=price, closes_at=now + timedelta(days=days))


@pytest.mark.parametrize(
    ("order", "titles"),
    [
        (None, "cab"),
        ("closes_at", "cab"),
        ("-closes_at", "bac"),
        ("ticket_price", "abc"),
        ("-ticket_price", "cba"),
        ("-published_at", "cab"),
    ],
)
def test_each_order_is_kept_over_pages(order, titles, priced):
    query = {"page_size": 1} | ({"order": order} if order else {})
    path, seen = f"/api/v1/raffles/list?{urlencode(query)}", []
    while path:
        page = client_of().get(path).json()
        seen += [raffle["title"] for raffle in page["results"]]
        path = page["next"]
    assert "".join(seen) == titles


def test_what_is_on_sale_comes_first_and_of_the_past_the_newest(phases, on_sale):
    late = on_sale(title="later", closes_at=timezone.now() + timedelta(days=9))
    old = on_sale(title="old")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        later = "closes_at + %s * interval '1 hour'"
        over = f"UPDATE raffles_raffle SET closed_at = now(), closes_at = {later} WHERE id = %s"
        past = {"closing": 4, "drawing": 3, "drawn": 2, "cancelled": 1}
        cursor.executemany(over, [(hours, phases[name].pk) for name, hours in past.items()] + [(-1, old.pk)])
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER")
    expected = ["open", "upcoming", late.title, "closing", "drawing", "drawn", "cancelled", "old"]
    assert _titles() == _titles(order="on_sale") == expected
    path, seen = "/api/v1/raffles/list?page_size=3", []
    while path:
        page = client_of().get(path).json()
        seen += [raffle["title"] for raffle in page["results"]]
        path = page["next"]
    assert seen == expected


def test_what_sells_best_and_what_is_nearly_gone_are_of_what_is_on_sale(phases, on_sale):
    counts = {"half": (100, 50), "few left": (20, 15), "gone": (10, 10)}
    for title, (capacity, sold) in counts.items():
        raffle = on_sale(title=title, capacity=capacity, max_per_person=1)
        TicketCounter.objects.filter(pk=raffle.pk).update(sold=sold)
    assert _titles(order="popular") == ["half", "few left", "gone", "open"]
    assert _titles(order="nearly_gone")[:2] == ["few left", "half"]
    assert set(_titles(order="nearly_gone")) == {"few left", "half", "open"}
    page = client_of().get("/api/v1/raffles/list?order=nearly_gone&page_size=1").json()
    assert [row["title"] for row in client_of().get(page["next"]).json()["results"]] == ["half"]


def test_a_currency_is_filtered_and_an_unknown_one_refused(on_sale):
    on_sale(title="pounds")
    on_sale(title="yen", currency="jpy")
    assert _titles(currency="jpy") == ["yen"]
    assert client_of().get("/api/v1/raffles/list?currency=xyz").json()["errors"][0]["field"] == "currency"


def test_categories_are_counted_by_what_is_on_sale_or_coming(phases, on_sale):
    on_sale(category="car")
    assert client_of().get("/api/v1/raffles/categories").json() == [
        {"category": "car", "open": 1, "upcoming": 0},
        {"category": "watch", "open": 1, "upcoming": 1},
    ]


@pytest.fixture
def equal(on_sale) -> list[str]:
    """Seven raffles alike in every order, oldest first."""
    closes_at = timezone.now() + timedelta(days=1)
    made = [str(on_sale(ticket_price=100, closes_at=closes_at).pk) for _ in range(7)]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        cursor.execute("UPDATE raffles_raffle SET published_at = now()")
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER")
    return made


def _ids(page: dict) -> list[str]:
    return [raffle["id"] for raffle in page["results"]]


@pytest.mark.parametrize("order", RaffleFilter.ORDERS)
def test_equal_values_lose_no_row_between_pages(order, equal):
    path, seen = f"/api/v1/raffles/list?page_size=2&order={order}", []
    while path:
        page = client_of().get(path).json()
        seen += _ids(page)
        path = page["next"]
    assert sorted(seen) == sorted(equal)


@pytest.mark.parametrize("order", RaffleFilter.ORDERS)
def test_equal_values_come_back_in_the_same_pages(order, equal):
    path, there, back = f"/api/v1/raffles/list?page_size=2&order={order}", [], []
    while path:
        page = client_of().get(path).json()
        there.append(_ids(page))
        path = page["next"]
    while page:
        back.append(_ids(page))
        page = client_of().get(page["previous"]).json() if page["previous"] else None
    assert back == there[::-1]


@pytest.mark.parametrize("order", RaffleFilter.ORDERS)
def test_rows_that_leave_the_list_between_pages_take_no_other_with_them(order, equal):
    first = client_of().get(f"/api/v1/raffles/list?page_size=3&phase=open&order={order}").json()
    for raffle_id in _ids(first)[:2]:
        TicketCounter.objects.filter(pk=raffle_id).update(sold=F("capacity"))
        assert services.close_raffle(raffle_id)
    second = client_of().get(first["next"]).json()
    third = client_of().get(second["next"]).json()
    assert sorted(_ids(first) + _ids(second) + _ids(third)) == sorted(equal)
    assert third["next"] is None
    # Those that were on the first page and still match are what comes before the second.
    assert _ids(client_of().get(second["previous"]).json()) == _ids(first)[2:]


def test_a_page_whose_rows_are_all_gone_leads_to_the_last_that_are_left(equal):
    first = client_of().get("/api/v1/raffles/list?page_size=5&phase=open").json()
    for raffle_id in set(equal) - set(_ids(first)):
        TicketCounter.objects.filter(pk=raffle_id).update(sold=F("capacity"))
        assert services.close_raffle(raffle_id)
    gone = client_of().get(first["next"]).json()
    assert (gone["results"], gone["next"]) == ([], None)
    assert _ids(client_of().get(gone["previous"]).json()) == _ids(first)


@pytest.mark.parametrize("other", ["-closes_at", "ticket_price", "-published_at"])
def test_a_cursor_of_another_order_is_refused(other, equal):
    following = client_of().get("/api/v1/raffles/list?page_size=2&order=closes_at").json()["next"]
    answer = client_of().get(following.replace("order=closes_at", f"order={other}"))
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == ["cursor"]


def test_the_cursors_of_a_page_lead_where_its_links_do(priced):
    path = "/api/v1/raffles/list"
    first = client_of().get(path, {"page_size": 1}).json()
    assert first["previous_cursor"] is None
    second = client_of().get(path, {"page_size": 1, "cursor": first["next_cursor"]}).json()
    assert second == client_of().get(first["next"]).json()
    assert client_of().get(path, {"page_size": 1, "cursor": second["previous_cursor"]}).json() == (
        client_of().get(second["previous"]).json()
    )


def test_a_page_back_shows_the_rows_before(priced):
    first = client_of().get("/api/v1/raffles/list?page_size=1").json()
    second = client_of().get(first["next"]).json()
    assert client_of().get(second["previous"]).json()["results"] == first["results"]
    assert first["previous"] is None


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"price_min": 200}, {"b", "c"}),
        ({"price_max": 200}, {"a", "b"}),
        ({"price_min": 101, "price_max": 299}, {"b"}),
        ({"price_min": 300, "price_max": 100}, set()),
        ({"price_min": ""}, {"a", "b", "c"}),
    ],
)
def test_prices_narrow_from_both_sides(query, titles, priced):
    assert set(_titles(**query)) == titles


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("daytona", {"Rolex Daytona"}),
        ("DAYTONA", {"Rolex Daytona"}),
        ("panda", {"Rolex Daytona"}),
        ("box", {"Rolex Daytona", "100% silk"}),
        ("100%", {"100% silk"}),
        ("_", set()),
        ("%", {"100% silk"}),
        ("hermès", {"100% silk"}),
        ("HERMES scarf", {"100% silk"}),
        ("dial rolex", {"Rolex Daytona"}),
        ("watch silk", set()),
        ("grossfeld", {"100% silk"}),
        ("nothing", set()),
    ],
)
def test_text_is_found_in_title_description_and_prizes(text, found, on_sale):
    on_sale(title="Rolex Daytona", description="The panda dial.", prizes=[{"name": "Watch"}, {"name": "Box"}])
    on_sale(
        title="100% silk",
        description="By Hermès, seen at Großfeld.",
        prizes=[{"name": "Scarf"}, {"name": "Orange box"}, {"name": "Second box"}],
    )
    assert set(_titles(search=text)) == found
    assert len(_titles(search=text)) == len(found)


@pytest.fixture
def to_misspell(on_sale, draft) -> None:
    on_sale(title="Rolex Daytona", description="The panda dial.", prizes=[{"name": "Watch"}])
    on_sale(title="100% silk", description="Seen at Großfeld.", prizes=[{"name": "Hermès scarf"}])
    draft(title="Dayotna")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *((text, {"Rolex Daytona"}) for text in ("rollex", "Dayotna", "daitona", "panda rollex", "DAYTONNA")),
        *((text, {"100% silk"}) for text in ("hermse", "hèrmess silk", "scarff")),
        # Each word on its own; short ones, and those of descriptions, are taken as they are.
        *((text, set()) for text in ("rollex scarf", "roxyzw", "sik", "pnada", "nothing", "%%%%", "____", "lexx")),
        # A word that is there is meant.
        ("watch", {"Rolex Daytona"}),
    ],
)
def test_a_word_with_a_typo_is_found_where_nothing_has_it_as_it_is(text, found, to_misspell):
    assert set(_titles(search=text)) == found


def test_without_the_extension_words_are_found_as_they_are_and_a_check_says_so(to_misspell):
    assert typos_are_found(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION pg_trgm")
    assert _titles(search="rollex") == []
    assert _titles(search="role") == ["Rolex Daytona"]
    assert [found.id for found in typos_are_found(databases=["default"])] == ["raffles.W001"]
    assert typos_are_found() == []


def test_filters_stay_on_the_next_page(priced):
    page = client_of().get("/api/v1/raffles/list?price_min=200&order=ticket_price&page_size=1").json()
    assert [raffle["title"] for raffle in client_of().get(page["next"]).json()["results"]] == ["c"]
