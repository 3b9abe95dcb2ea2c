"""Variables that cannot be read: named all at once, in a line each, by every entry, and never with a secret in it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from luxewin import checks
from luxewin.environment import Environment
from luxewin.tests.test_settings import KEY, KEYS, LIVE, RECEIPT_KEYS

GOOD = {
    "SECRET_KEY": KEY,
    "JWT_SIGNING_KEYS": KEYS,
    "RECEIPT_KEYS": RECEIPT_KEYS,
    "ALLOWED_HOSTS": "api.example.com",
    "PUBLIC_URL": "https://api.example.com",
    "STRIPE_SECRET_KEY": LIVE,
    "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:9/nowhere",
    "EMAIL_URL": "smtp+tls://user:none@smtp.example.com:587",
}
SECRETS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "JWT_SIGNING_KEYS",
    "RECEIPT_KEYS",
    "DATABASE_URL",
    "REDIS_URL",
    "STRIPE_SECRET_KEY",
    "CHAIN_RPC_URL",
    "EMAIL_URL",
    "SUPABASE_JWT_SECRET",
)
SETTINGS = Path(configured.BASE_DIR) / "luxewin" / "settings.py"


def _run(*command: str, **variables: str) -> subprocess.CompletedProcess:
    """A process of the product with these variables and no others."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        env=bare | variables,
        cwd=configured.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


ENTRIES: dict[str, tuple[str, ...]] = {
    "asgi": ("-c", "import luxewin.asgi"),
    "worker": ("manage.py", "worker"),
    "run": ("manage.py", "run"),
    "check": ("manage.py", "check"),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_refuses_a_misspelt_environment_in_one_line(entry, tmp_path):
    run = _run(*ENTRIES[entry], LUXEWIN_ENV="prod", LUXEWIN_STATE=str(tmp_path / "state"))
    assert run.returncode == 1
    assert run.stderr.strip() == "LUXEWIN_ENV is 'prod': set production, staging or development."
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("entry", ["asgi", "worker", "check"])
def test_every_entry_names_all_variables_that_cannot_be_read(entry):
    bad = {"WORKERS": "two", "STAFF_SECOND_FACTOR": "ture", "HOLD_SECONDS": "-1", "DATABASE_URL": "mysql://u:hush@h/n"}
    run = _run(*ENTRIES[entry], **GOOD | bad | {"LUXEWIN_ENV": "production", "PUBLIC_URL": "http://api.example.com"})
    assert run.returncode == 1
    for name in bad:
        assert f"{name} is" in run.stderr, name
    # With what is unsafe, at once.
    assert "E006" in run.stderr
    assert "hush" not in run.stderr
    assert "Traceback" not in run.stderr


def test_a_server_without_variables_refuses_to_start_and_names_every_fault():
    run = _run(*ENTRIES["asgi"])
    assert run.returncode == 1
    assert "refuses to start" in run.stderr
    for number in ("E001", "E002", "E005", "E006", "E007"):
        assert f"luxewin.{number}: " in run.stderr, number


@pytest.mark.parametrize("entry", ["asgi", "check"])
def test_safe_variables_start(entry):
    run = _run(*ENTRIES[entry], **GOOD | {"LUXEWIN_ENV": "production"})
    assert run.returncode == 0, run.stderr


def test_every_secret_may_come_from_a_file(tmp_path):
    files = {}
    for name in SECRETS:
        if name in GOOD:
            (tmp_path / name).write_text(f"{GOOD[name]}\n")
            (tmp_path / name).chmod(0o600)
            files[f"{name}_FILE"] = str(tmp_path / name)
    plain = {name: value for name, value in GOOD.items() if name not in SECRETS}
    run = _run(*ENTRIES["asgi"], **plain | files | {"LUXEWIN_ENV": "production"})
    assert run.returncode == 0, run.stderr
    source = SETTINGS.read_text()
    for name in SECRETS:
        assert any(f'env.{kind}("{name}"' in source for kind in ("secret", "secret_words", "database", "mail", "redis"))


def _secret(**variables: str) -> tuple[str, list[str]]:
    env = Environment(variables)
    return env.secret("TOKEN"), env.faults


def test_a_secret_s_file_is_read_without_the_newline_at_its_end(tmp_path):
    (tmp_path / "token").write_text("hush hush\r\n")
    assert _secret(TOKEN_FILE=str(tmp_path / "token")) == ("hush hush", [])


def test_a_secret_that_cannot_be_had_is_named_with_user_and_path_and_never_shown(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("hush")
    assert _secret(TOKEN="hush", TOKEN_FILE=str(file))[1] == ["TOKEN and TOKEN_FILE are both set: set one of them."]
    missing = _secret(TOKEN_FILE=str(tmp_path / "none"))[1]
    assert missing[0].startswith(f"TOKEN_FILE: {tmp_path / 'none'} cannot be read by user ")
    assert missing[0].endswith(": No such file or directory.")

    def denied(self: Path, *args: Any, **kwargs: Any) -> str:
        raise PermissionError(13, "Permission denied")

    file.write_bytes(b"\xff\xfe")
    assert "not text" in _secret(TOKEN_FILE=str(file))[1][0]
    file.write_text(" \n")
    assert _secret(TOKEN_FILE=str(file)) == ("", [f"TOKEN_FILE: {file} is empty."])
    monkeypatch.setattr(Path, "read_text", denied)
    assert _secret(TOKEN_FILE=str(file))[1][0].endswith(": Permission denied.")


@pytest.mark.parametrize(
    ("method", "arguments", "bad"),
    [
        ("flag", (False,), ["ture", "2", "yes please"]),
        ("integer", (5,), ["five", "-1", "1.5", "1_0", "0x10", "", "9" * 30]),
        ("decimal", (5.0,), ["five", "-0.1", "nan", "inf", "1e3"]),
        ("one_of", ("INFO", {"INFO", "DEBUG"}), ["info", "TRACE"]),
        ("database", ("postgres:///a",), ["mysql://h/n", "postgres://h/", "postgres://h:port/n", "luxewin"]),
        ("mail", ("smtp://127.0.0.1:25",), ["consolemail://", "smtp+tls://h", "smtp://h:port", "h:25"]),
        ("redis", ("redis://h/0",), ["http://h/0", "127.0.0.1:6379", "redis://"]),
    ],
)
def test_what_cannot_be_read_has_its_default_and_a_fault(method, arguments, bad):
    for value in bad:
        env = Environment({"NAME": value})
        more = {"most": 100} if method in {"integer", "decimal"} else {}
        found = getattr(env, method)("NAME", *arguments, **more)
        assert [fault.partition(" ")[0] for fault in env.faults] == (["NAME"] if value else []), value
        if method in {"flag", "integer", "decimal", "one_of"}:
            assert found == arguments[0]


def test_lists_lose_their_blanks():
    assert Environment({"NAME": " a , b,, c ,"}).words("NAME") == ["a", "b", "c"]


def test_numbers_and_flags_are_read():
    env = Environment({"A": " 007 ", "B": "2.5", "C": "On", "D": "FALSE", "E": str(2**53)})
    assert env.integer("A", 1, most=10) == 7
    assert env.decimal("B", 1.0, most=10) == 2.5
    assert env.flag("C", default=False) is True
    assert env.flag("D", default=True) is False
    assert env.integer("E", 1, most=2**53) == 2**53
    assert env.faults == []


def test_a_port_of_tls_is_spoken_to_in_tls():
    options = Environment({"M": "smtps://u:p@h:465"}).mail("M", "smtp://127.0.0.1:25")
    assert (options["EMAIL_USE_SSL"], options["EMAIL_USE_TLS"]) == (True, False)


def test_a_misspelt_name_and_an_open_secret_are_warned_of(settings, monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("hush")
    env = Environment({"SECRET_KEY_FILE": str(file)})
    env.secret("SECRET_KEY")
    env.integer("HOLD_SECONDS", 1, most=2)
    settings.ENVIRONMENT = env
    for name in ("HOLD_SECOND", "LUXEWIN_ENVIRONMENT", "LUXEWIN_SERVICE_HOST", "LUXEWIN_PORT_8000_TCP_ADDR"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(
        checks.os, "environ", {"HOLD_SECOND": "1", "LUXEWIN_ENVIROMENT": "x", "LUXEWIN_PORT": "tcp://a"}
    )
    file.chmod(0o640)
    told = {str(fault.msg): fault.hint for fault in checks.environment_is_readable()}
    assert told == {
        "Nothing reads HOLD_SECOND.": "HOLD_SECONDS is read.",
        "Nothing reads LUXEWIN_ENVIROMENT.": "Unset it, or see .env.example.",
    }
    file.chmod(0o604)
    (open_to_all,) = (fault for fault in checks.environment_is_readable() if fault.id == "luxewin.W002")
    assert str(file) in open_to_all.msg
    assert "hush" not in str(open_to_all)


def test_rotate_keys_makes_the_file_that_is_not_there_yet(tmp_path):
    file = tmp_path / "keys"
    command = ("manage.py", "rotate_keys")
    made = _run(*command, LUXEWIN_ENV="production", JWT_SIGNING_KEYS_FILE=str(file))
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    refused = _run(*command, LUXEWIN_ENV="production", JWT_SIGNING_KEYS_FILE=str(tmp_path / "none" / "keys"))
    assert refused.returncode == 1
    assert "cannot be written by user" in refused.stderr
    assert "Traceback" not in refused.stderr


ODD_TEXTS = {
    "a header more": ("LuxeWin\r\nBcc: all@example.com", "U+000D is character 8"),
    "a line of another kind": ("LuxeWin\u2028Ltd", "U+2028 is character 8"),
    "written backwards": ("a\u202eb", "U+202E is character 2"),
    "too long": ("x" * 41, "41 characters: at most 40"),
    "nothing to see": ("\u200b", "nothing of it can be seen"),
}


@pytest.mark.parametrize("kind", ODD_TEXTS)
def test_text_that_mails_and_pages_cannot_show_is_a_fault(kind):
    value, fault = ODD_TEXTS[kind]
    env = Environment({"NAME": value})
    assert env.text("NAME", "LuxeWin", most=40) == "LuxeWin"
    (said,) = env.faults
    assert said.startswith("NAME ")
    assert fault in said


def test_such_text_is_named_at_the_start():
    odd = {"OPERATOR_NAME": "Luxe\nWin", "SUPPORT_EMAIL": "help@example.com\nx", "RECEIPT_TAX_NAME": "Tax" * 20}
    run = _run(*ENTRIES["check"], **GOOD | odd | {"DEFAULT_FROM_EMAIL": "A\x85B <a@example.com>"})
    assert run.returncode != 0
    for name in (*odd, "DEFAULT_FROM_EMAIL"):
        assert f"{name} has " in run.stderr
