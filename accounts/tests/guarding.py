"""How tests move through the time that safeguards take: the triggers that keep them look away for that."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import CountryRule, Safeguards, SpendLimit, Terms, User


@contextmanager
def unguarded(table: str) -> Iterator[None]:
    """The triggers of a table are off."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            yield
        finally:
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} ENABLE TRIGGER USER")


def over(user: User) -> None:
    """This person's pause and exclusion ended a moment ago."""
    ended = timezone.now() - timedelta(seconds=1)
    with unguarded("accounts_safeguards"):
        found = Safeguards.objects.filter(user=user)
        found.filter(paused_until__isnull=False).update(paused_until=ended)
        found.filter(excluded_until__isnull=False).update(excluded_until=ended)


def a_day_later(user: User) -> None:
    """The time of raises that wait has come."""
    for row in SpendLimit.objects.filter(user=user).exclude(next_from=None):
        SpendLimit.objects.filter(pk=row.pk).update(next_from=row.next_from - timedelta(hours=24))


def rule(country: str, region: str = "", **fields: Any) -> CountryRule:
    """A rule of a country that has just begun, unless `effective_from` says otherwise."""
    fields = {"reason": "The law says so.", "effective_from": timezone.now()} | fields
    return CountryRule.objects.create(country=country, region=region, **fields)


def publish(version: str, **fields: Any) -> Terms:
    """Terms that are in force from now on, unless `effective_from` says otherwise."""
    return Terms.objects.create(
        version=version, url=f"https://luxewin.example/terms/{version}", **{"effective_from": timezone.now()} | fields
    )
