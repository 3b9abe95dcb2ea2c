"""In cookie mode a page of another site writes nothing, whatever route it has the browser ask."""

from collections import defaultdict
from uuid import UUID

import pytest

from accounts.tests.browsing import Device
from accounts.tests.test_cookies import FORGERIES
from luxewin.tests.asking import assert_problem, nothing_written
from luxewin.tests.test_permissions import TABLE

PASSWORD = "correct horse battery staple"
# Every route that writes for somebody who is signed in, of all that there are. Nothing is looked up before the refusal.
WRITES = [row for row in TABLE if row.verb != "get" and row.statuses.startswith("401")]
NOTHING = defaultdict(lambda: UUID(int=0))


@pytest.fixture
def device(alice) -> Device:
    """Alice's browser, signed in with cookies."""
    alice.set_password(PASSWORD)
    alice.save()
    made = Device("cookie")
    assert made.sign_in(alice.email, PASSWORD).status_code == 200
    return made


def test_there_are_such_routes():
    assert len(WRITES) > 10


@pytest.mark.parametrize("row", WRITES, ids=lambda row: f"{row.verb} {row.path}")
def test_no_route_writes_for_a_page_of_another_site(row, device):
    path = row.path.removeprefix("/api/v1/").format_map(NOTHING)
    for forged in FORGERIES.values():
        with nothing_written():
            answer = device.ask(row.verb, path, {}, **forged)
        assert_problem(answer, 403, "csrf_failed")
