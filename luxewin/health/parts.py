"""Probes of the parts that no single app owns."""

import os
import socket

from django.core import mail as django_mail
from django.core.cache import caches
from django.db import connection

# Into the table that counts requests while Redis is away, whose old rows a sweep deletes; a row of this process alone,
# so that no other's lock is waited for.
WRITE = """
    INSERT INTO accounts_durable_cache (cache_key, value, expires) VALUES (%s, '', now() + interval '10 minutes')
    ON CONFLICT (cache_key) DO UPDATE SET expires = EXCLUDED.expires
"""


def database() -> None:
    """PostgreSQL takes a row: one that only answers (a demoted primary, a full disk) can serve no buyer."""
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [f"health:{socket.gethostname()}:{os.getpid()}"])


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
