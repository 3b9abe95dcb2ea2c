"""One code, several requests at one moment: one session."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts.errors import WrongCode
from accounts.models import Authenticator, RecoveryCode, Session, User
from accounts.services.signing_in import finish_sign_in
from accounts.tests.phones import Phone, enrolled

pytestmark = pytest.mark.django_db(transaction=True)
# Fewer than the tries that nobody waits for.
MANY = 6


@pytest.fixture
def phone(alice) -> Phone:
    """Alice's."""
    return enrolled(alice)


def _at_once(user: User, code: str) -> int:
    """How many of MANY requests with the same code get in."""
    start = Barrier(MANY)

    def attempt(number: int) -> bool:
        try:
            start.wait(timeout=60)
            finish_sign_in(user, user_agent="", code=code)
        except WrongCode:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(MANY) as pool:
        return sum(pool.map(attempt, range(MANY)))


def _all_look_first(look: Callable[..., bool]) -> Callable[..., bool]:
    """Nobody goes on before everybody has read what is there."""
    read = Barrier(MANY)

    def waiting(*args: object) -> bool:
        read.wait(timeout=60)
        return look(*args)

    return waiting


def test_of_requests_with_one_code_at_once_one_gets_in(alice, phone):
    assert _at_once(alice, phone.code()) == 1
    assert Session.objects.count() == 1


def test_without_the_lock_they_all_get_in(alice, phone, without_row_locks, monkeypatch):
    monkeypatch.setattr(Authenticator, "verify_token", _all_look_first(Authenticator.verify_token))
    assert _at_once(alice, phone.code()) == MANY


def test_of_requests_with_one_recovery_code_at_once_one_gets_in(alice, phone):
    assert _at_once(alice, phone.recovery_codes[0]) == 1
    assert Session.objects.count() == 1
    assert RecoveryCode.objects.count() == 9


def test_looking_for_it_first_and_deleting_it_then_would_let_all_in(alice, phone, monkeypatch):
    read = Barrier(MANY)

    def spend(user: User, code: str) -> bool:
        found = RecoveryCode.objects.filter(user=user, digest=RecoveryCode._digest(code)).first()
        read.wait(timeout=60)
        if found:
            found.delete()
        return found is not None

    monkeypatch.setattr(RecoveryCode, "spend", spend)
    assert _at_once(alice, phone.recovery_codes[0]) == MANY
