"""How much work a request does: what an observer with a stopwatch would see."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import LinkRequest, Notification


@dataclass
class Work:
    """Hashes of passwords, statements by their first words, and mails put by for a worker."""

    hashes: int = 0
    statements: list[str] = field(default_factory=list)
    mails: int = 0


@contextmanager
def work() -> Iterator[Work]:
    """Counts what is done meanwhile."""
    done, before = Work(), _waiting()
    with pytest.MonkeyPatch.context() as patch, CaptureQueriesContext(connection) as captured:
        for name in ("encode", "verify"):
            patch.setattr(Argon2PasswordHasher, name, _counting(getattr(Argon2PasswordHasher, name), done))
        yield done
    done.statements = [" ".join(re.split(r"\s+", query["sql"].strip())[:3]) for query in captured]
    done.mails = _waiting() - before


def _waiting() -> int:
    return Notification.objects.mails().count() + LinkRequest.objects.count()


def _counting(method, done: Work):
    def counted(self, *args, **kwargs):
        done.hashes += 1
        return method(self, *args, **kwargs)

    return counted
