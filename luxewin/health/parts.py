"""Probes of parts that no single app owns."""

import os
import socket

from django.core import mail as django_mail
from django.core.cache import caches
from django.db import connection

# The probe writes to the table of fallback rate-limit counts, whose old rows a sweep deletes. Each process has its own
# row, so it waits for no other's lock. How old a replica is, is seen by them too (`luxewin.replica`).
WRITE = """
    INSERT INTO accounts_durable_cache (cache_key, value, expires) VALUES (%s, '', now() + interval '10 minutes')
    ON CONFLICT (cache_key) DO UPDATE SET expires = EXCLUDED.expires
"""


def database() -> None:
    """Check that PostgreSQL accepts a row: one that only answers (a demoted primary, a full disk) is not enough."""
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [f"health:{socket.gethostname()}:{os.getpid()}"])


def cache() -> None:
    """Check that Redis stores a value and returns it."""
    caches["default"].set("health", "ok", 5)
    if caches["default"].get("health") != "ok":
        raise RuntimeError("a value written was not read back")


def mail() -> None:
    """Check that the mail server opens a session."""
    mailer = django_mail.mailers["default"]
    mailer.open()
    mailer.close()
