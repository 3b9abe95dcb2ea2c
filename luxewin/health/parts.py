"""Probes of the parts that no single app owns."""

from django.core import mail as django_mail
from django.core.cache import caches
from django.db import connection


def database() -> None:
    """PostgreSQL answers a query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def cache() -> None:
    """Redis takes a value and gives it back."""
    caches["default"].set("health", "ok", 5)
    if caches["default"].get("health") != "ok":
        raise RuntimeError("a value written was not read back")


def mail() -> None:
    """The mail server opens a session."""
    mailer = django_mail.mailers["default"]
    mailer.open()
    mailer.close()
