"""Behind a pooler that gives each transaction another connection no row is lost, and no session is needed."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from luxewin.audit.models import AuditEntry

ROWS = 2_000
# Several at once, each through all rows a few at a time, as an archive is written.
READING = """
import django; django.setup()
from threading import Thread
from django.conf import settings
from django.db import connection
from luxewin.audit.models import AuditEntry
told = []
def read():
    try:
        told.append(len({entry.pk for entry in AuditEntry.objects.order_by("pk").iterator(chunk_size=20)}))
    except Exception as error:
        told.append(type(error).__name__)
threads = [Thread(target=read) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*told, settings.DATABASES["default"]["OPTIONS"].get("options", "none"), sep="|")
"""


@pytest.fixture
def pooler(tmp_path, db_of_its_own):
    """PgBouncer in transaction mode before this test's database: its address."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs PgBouncer (`apt-get install pgbouncer`)")
    values = connection.settings_dict
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = {"host": "HOST", "port": "PORT", "dbname": "NAME", "user": "USER", "password": "PASSWORD"}
    server = " ".join(f"{name}='{values[key]}'" for name, key in names.items() if values[key])
    config = tmp_path / "pgbouncer.ini"
    options = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "any"}
    options |= {"pool_mode": "transaction", "default_pool_size": 3}
    lines = "\n".join(f"{name} = {value}" for name, value in options.items())
    config.write_text(f"[databases]\npooled = {server}\n[pgbouncer]\n{lines}\n")
    config.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    # It does not run as root.
    account = {"user": "nobody"} if os.geteuid() == 0 else {}
    with subprocess.Popen([program, "-q", str(config)], **account) as process:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"postgres://anybody:any@127.0.0.1:{port}/pooled"
        process.terminate()


@pytest.fixture
def db_of_its_own(transactional_db):
    """Rows that other connections see."""
    for _ in range(ROWS // 1_000):
        AuditEntry.objects.bulk_create(AuditEntry(action="test.read", subject_type="t") for _ in range(1_000))


def _read(pooler, *, is_told):
    told = {"DATABASE_URL": pooler, "DATABASE_TRANSACTION_POOLER": str(is_told).lower()}
    if not is_told:
        told |= dict.fromkeys(("DATABASE_STATEMENT_SECONDS", "DATABASE_LOCK_SECONDS", "DATABASE_IDLE_SECONDS"), "0")
    done = subprocess.run(
        [sys.executable, "-c", READING], env=os.environ | told, capture_output=True, text=True, check=True, timeout=120
    )
    *read, options = done.stdout.strip().split("|")
    return read, options


def test_without_being_told_of_it_rows_are_lost(pooler):
    read, _ = _read(pooler, is_told=False)
    assert read != [str(ROWS)] * 4


def test_told_of_it_every_row_is_read(pooler):
    read, options = _read(pooler, is_told=True)
    assert read == [str(ROWS)] * 4
    assert options == "none"
