"""A file that cannot be read to its end is no answer: the server sends 500, never half of it."""

import io
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connection

from luxewin.server.spool import Budget
from luxewin.server.wsgi_call import call
from verification import entries, log_file
from verification.services.log import sequence
from verification.tests.drawing import committed, crowd


def _served(path: str) -> bytes:
    """What the server would send for the path, made as it makes it. Raises what becomes a 500."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "testserver", "SERVER_PORT": "80"}
    environ |= {"QUERY_STRING": "", "HTTP_HOST": "testserver", "wsgi.url_scheme": "http"}
    answer = call(WSGIHandler(), environ, io.BytesIO(), Budget(2**20))
    assert answer.status == 200
    assert (b"Content-Length", b"%d" % answer.body.size) in answer.headers
    served = answer.body.file.read()
    answer.close()
    return served


@pytest.mark.parametrize("file", ["entries.csv", "log"])
def test_a_database_that_fails_at_the_second_part_ends_the_answer(file, transactional_db, selling, people, monkeypatch):
    monkeypatch.setattr(entries, "BATCH", 2)
    monkeypatch.setattr(log_file, "BATCH", 2)
    raffle = selling()
    crowd(raffle, people(1)[0], [1, 2, 3])
    sequence(raffle.pk)
    committed(raffle)
    path = f"/api/v1/verification/{raffle.pk}/{file}"
    assert _served(path).count(b"\n") == 1 + 3
    pieces = []

    def fail_late(execute: Any, sql: str, *rest: Any) -> Any:
        if "string_agg" in sql:
            pieces.append(sql)
            if len(pieces) == 2:
                raise OperationalError("the connection is lost")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail_late), pytest.raises(OperationalError):
        _served(path)
    assert len(pieces) == 2
