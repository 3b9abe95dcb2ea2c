"""How many connections the processes open is known, and compared with what the server grants."""

import pytest

from luxewin.connections import Demand, connections_are_bounded, demand
from luxewin.database import in_batches
from luxewin.tests.test_database_limits import _limits
from raffles.models import Raffle


def _found(**kwargs: object) -> list[tuple[str | None, str]]:
    return [(fault.id, str(fault.hint)) for fault in connections_are_bounded(databases=["default"], **kwargs)]


def test_the_formula_counts_every_process_of_every_machine():
    # Two of four web processes with pools of ten while SIGHUP replaces them, a worker of two with its five others.
    assert Demand(machines=2, web_processes=4, pool=10, workers=2).total == 2 * (2 * 4 * 10 + 2 + 5) + 5


@pytest.mark.parametrize("granted", [60, 97, 400])
def test_the_pool_that_is_proposed_is_the_largest_that_fits(granted):
    least = Demand(machines=1, web_processes=4, pool=2, workers=2)
    pool = least.largest_pool(granted)
    assert Demand(1, 4, pool, 2).total <= granted < Demand(1, 4, pool + 1, 2).total


@pytest.mark.django_db
def test_what_fits_and_is_limited_has_no_fault(settings):
    settings.WEB_PROCESSES = settings.DATABASE_POOL_SIZE = 2
    assert _limits() == ["15s", "10s", "1min"]
    assert _found() == []
    # Without `--database` nothing is asked.
    assert connections_are_bounded() == []


@pytest.mark.django_db
def test_more_than_the_server_grants_is_said_with_the_pool_that_fits(settings):
    settings.WEB_PROCESSES, settings.DATABASE_POOL_SIZE = 2, 100
    ((number, hint),) = _found()
    assert number == "luxewin.W005"
    settings.DATABASE_POOL_SIZE = int(hint.split("DATABASE_POOL_SIZE to ")[1].split(",")[0])
    assert _found() == []
    settings.DATABASE_POOL_SIZE, settings.MACHINES = 2, 1_000
    assert "Start fewer processes" in _found()[0][1]
    assert demand().machines == 1_000


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_batches_have_every_row_once_in_order(size, draft, django_assert_num_queries):
    made = sorted(draft().pk for _ in range(3))
    with django_assert_num_queries({1: 4, 2: 2, 3: 2, 4: 1}[size]):
        assert [raffle.pk for raffle in in_batches(Raffle.objects.all(), size)] == made
