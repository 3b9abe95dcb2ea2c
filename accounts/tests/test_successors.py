"""A refresh token has one successor: asked for again within ten seconds it is the same one, later the session ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from accounts.errors import TokenRefused
from accounts.models import Session
from accounts.querysets import SessionQuerySet
from accounts.signing_keys import new_key
from accounts.tests.browsing import MODES, Device
from accounts.tests.refreshing import time_passes
from accounts.tokens import TokenPair, end_session, open_session, rotate
from luxewin.tests.asking import assert_problem, client_of

PASSWORD = "correct horse battery staple"


def at_once(count: int, ask: Callable[[], TokenPair]) -> list[TokenPair | None]:
    """What so many get who ask at the same moment; None for who is refused."""
    barrier = Barrier(count)

    def attempt(_: int) -> TokenPair | None:
        try:
            barrier.wait(timeout=120)
            return ask()
        except TokenRefused:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(attempt, range(count)))


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_get_one_successor_and_the_session_lives(alice):
    refresh = open_session(alice, user_agent="").refresh
    pairs = at_once(50, lambda: rotate(refresh))
    assert len(set(pairs)) == 1
    assert pairs[0] is not None
    assert rotate(pairs[0].refresh).refresh != pairs[0].refresh
    assert Session.objects.alive().count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_conditional_update_several_successors_come_of_one_token(alice, monkeypatch):
    """The race that the statement decides: looked at first and written then, two tokens are given out."""
    looked = Barrier(2)

    def look_then_write(rows: SessionQuerySet, *, session: UUID, old: UUID, new: UUID, **facts: Any) -> bool:
        found = rows.alive().filter(pk=session, token_id=old).exists()
        looked.wait(timeout=60)
        return found and rows.filter(pk=session).update(token_id=new) == 1

    monkeypatch.setattr(SessionQuerySet, "rotate", look_then_write)
    refresh = open_session(alice, user_agent="").refresh
    pairs = at_once(2, lambda: rotate(refresh))
    assert None not in pairs
    assert len(set(pairs)) == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_lost_answer_does_not_end_the_session(mode, alice):
    alice.set_password(PASSWORD)
    alice.save()
    device = Device(mode)
    device.sign_in(alice.email, PASSWORD)
    other_tab = device.stolen()
    answers = [device.refresh(), other_tab.refresh()]
    assert [answer.status_code for answer in answers] == [200, 200]
    if mode == "bearer":
        assert answers[0].json() == answers[1].json()
    else:
        for name in ("ACCESS_COOKIE", "REFRESH_COOKIE"):
            assert device.cookie(name).value == other_tab.cookie(name).value
    assert device.ask("get", "users/profile").status_code == 200
    assert device.refresh().status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "lives"), [(8, True), (11, False)])
def test_ten_seconds_later_it_is_a_reuse(seconds, lives, alice):
    first = open_session(alice, user_agent="")
    second = rotate(first.refresh)
    time_passes(seconds)
    if lives:
        assert rotate(first.refresh) == second
    else:
        assert_problem(client_of().post("/api/v1/auth/refresh", {"refresh": first.refresh}), 401, "token_not_valid")
    assert Session.objects.alive().count() == lives


@pytest.mark.django_db
def test_asking_again_does_not_make_the_ten_seconds_longer(alice):
    first = open_session(alice, user_agent="")
    rotate(first.refresh)
    time_passes(6)
    rotate(first.refresh)
    time_passes(6)
    with pytest.raises(TokenRefused):
        rotate(first.refresh)


@pytest.mark.django_db
def test_a_token_whose_successor_was_used_ends_the_session_at_once(alice):
    first = open_session(alice, user_agent="")
    third = rotate(rotate(first.refresh).refresh)
    with pytest.raises(TokenRefused):
        rotate(first.refresh)
    with pytest.raises(TokenRefused):
        rotate(third.refresh)


@pytest.mark.django_db
def test_signing_out_in_between_ends_it(alice):
    first = open_session(alice, user_agent="")
    end_session(rotate(first.refresh).refresh)
    with pytest.raises(TokenRefused):
        rotate(first.refresh)
    assert not Session.objects.alive().exists()


@pytest.mark.django_db
def test_closing_the_account_in_between_ends_it(alice):
    first = open_session(alice, user_agent="")
    rotate(first.refresh)
    type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(TokenRefused):
        rotate(first.refresh)


@pytest.mark.django_db
def test_a_new_signing_key_in_between_changes_no_byte(alice, settings):
    first = open_session(alice, user_agent="")
    second = rotate(first.refresh)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    settings.JWT_SIGNING_KEYS = f"{settings.JWT_SIGNING_KEYS} {new_key(yesterday)}"
    assert rotate(first.refresh) == second
    assert rotate(second.refresh).refresh


@pytest.mark.django_db
def test_nothing_that_is_stored_opens_anything(alice):
    first = open_session(alice, user_agent="")
    second = rotate(first.refresh)
    row = " ".join(str(value) for value in Session.objects.values().get().values())
    for token in (first.refresh, second.refresh, second.access):
        assert token not in row
        assert token.rpartition(".")[2] not in row
