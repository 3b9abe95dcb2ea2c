"""What a test with real commits leaves to the next: nothing but what migrations wrote."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import TransactionTestCase

from accounts.models import RetentionRule, User
from luxewin.audit.models import AuditEntry
from raffles.models import Raffle


@pytest.mark.django_db(transaction=True)
def test_it_finds_empty_tables_first_numbers_and_guards_that_stand(
    on_sale: Callable[..., Raffle], person: Callable[..., User]
) -> None:
    kept = Group.objects.count(), RetentionRule.objects.count()
    on_sale()
    person("alice")
    assert AuditEntry.objects.exists()
    TransactionTestCase()._fixture_teardown()  # what runs after each
    assert not any(model.objects.exists() for model in (Raffle, User, AuditEntry))
    assert (Group.objects.count(), RetentionRule.objects.count()) == kept != (0, 0)
    on_sale()
    assert AuditEntry.objects.earliest("pk").pk == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal")
        assert cursor.fetchall() == []
