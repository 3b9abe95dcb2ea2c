"""How often one's own account can be changed: looking is free, changing is limited for each person."""

import pytest

from luxewin.tests.asking import assert_problem, client_of

ALLOWED = 30
URL = "/api/v1/users/"
CHANGES = {
    "safeguards": ("patch", {"currency": "gbp", "limit": -1}),
    "safeguards/pause": ("post", {"hours": 1}),
    "safeguards/exclude": ("post", {"months": 1}),
    "terms": ("post", {"version": "none"}),
    "profile": ("patch", {"country": "XX"}),
    "preferences": ("patch", {"language": "xx"}),
}


@pytest.mark.parametrize("path", CHANGES)
def test_changes_are_limited_for_each_person(path, one_window, alice, bob):
    verb, body = CHANGES[path]
    change = getattr(client_of(alice), verb)
    statuses = [change(URL + path, body).status_code for _ in range(ALLOWED + 1)]
    assert statuses == [400] * ALLOWED + [429]
    assert_problem(getattr(client_of(bob), verb)(URL + path, body), 400, "invalid")


@pytest.mark.parametrize("path", [path for path, (verb, _) in CHANGES.items() if verb == "patch"])
def test_looking_is_not_counted(path, one_window, alice):
    client = client_of(alice)
    assert {client.get(URL + path).status_code for _ in range(ALLOWED + 1)} == {200}
    assert client.patch(URL + path, CHANGES[path][1]).status_code == 400
