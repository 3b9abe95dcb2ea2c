"""Bootstrapping touches a database of somebody's own as little as it can."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from raffles.models import Raffle


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_not_embedded_is_never_emptied_or_copied(draft, no_chain):
    kept = draft()
    cursor = connection.cursor()
    cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    before = cursor.fetchone()
    with pytest.raises(CommandError, match="Only an embedded database"):
        call_command("bootstrap", fresh=True)
    call_command("bootstrap", staff_email=make_operator())
    cursor = connection.cursor()
    cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    assert cursor.fetchone() == before
    assert Raffle.objects.get() == kept


def make_operator() -> str:
    from accounts.models import User

    return User.objects.create_superuser("operator@example.com", None, display_name="Operator").email
