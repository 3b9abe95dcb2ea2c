"""A production process refuses to start on a missing or unsafe value, and says what to set."""

import os
import re
import subprocess
import sys
from typing import Any

import jwt
import pytest
from django.conf import settings as configured
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from luxewin.checks import production_is_safe, refuse_unsafe_production

KEYS = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"  # RFC 8037
SAFE: dict[str, Any] = {
    "LUXEWIN_ENV": "production",
    "SECRET_KEY": "s" * 50,
    "JWT_SIGNING_KEYS": KEYS,
    "DEBUG": False,
    "ALLOWED_HOSTS": ["api.example.com"],
    "PUBLIC_URL": "https://api.example.com",
    "STRIPE_SECRET_KEY": "sk_test_" + "a" * 24,
    "STRIPE_API_BASE": "",
    "RATELIMIT_ENABLE": True,
    "CHAIN_RPC_URLS": ["https://chain.example.com"],
    "CHAIN_ID": 1,
    "DRAW_DELAY_SECONDS": 300,
    "DRAW_VOID_SECONDS": 604_800,
    "STAFF_SECOND_FACTOR": True,
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_key",
    "SUPABASE_JWT_SECRET": "",
    "CORS_ALLOWED_ORIGINS": ["https://luxewin.example", "https://app.luxewin.example:8443"],
}
LEGACY = {role: jwt.encode({"role": role}, "s" * 32) for role in ("anon", "service_role")}
UNSAFE = [
    ("E001", "SECRET_KEY", "SECRET_KEY", "unset-see-check-luxewin.E001-" + "x" * 30),
    ("E001", "SECRET_KEY", "SECRET_KEY", "s" * 49),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", ""),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", "j" * 43),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", "s" * 50),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"{KEYS},{KEYS}"),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"2999-01-01:{KEYS}"),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"tomorrow:{KEYS}"),
    ("E004", "DEBUG", "DEBUG", True),
    ("E005", "ALLOWED_HOSTS", "ALLOWED_HOSTS", []),
    ("E005", "ALLOWED_HOSTS", "ALLOWED_HOSTS", ["api.example.com", "*"]),
    ("E006", "PUBLIC_URL", "PUBLIC_URL", "http://api.example.com"),
    ("E007", "STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", ""),
    ("E008", "STRIPE_API_BASE", "STRIPE_API_BASE", "http://127.0.0.1:1"),
    ("E009", "RATELIMIT_ENABLE", "RATELIMIT_ENABLE", False),
    ("E010", "CHAIN_ID", "CHAIN_ID", 0),
    ("E011", "DRAW_DELAY_SECONDS", "DRAW_DELAY_SECONDS", 29),
    ("E012", "DRAW_VOID_SECONDS", "DRAW_VOID_SECONDS", 604_799),
    ("E013", "STAFF_SECOND_FACTOR", "STAFF_SECOND_FACTOR", False),
    ("E021", "SUPABASE_URL", "SUPABASE_URL", "http://project.supabase.co"),
    ("E021", "SUPABASE_URL", "SUPABASE_URL", "project.supabase.co"),
    ("E021", "SUPABASE_URL", "SUPABASE_URL", "https://project.supabase.co/auth/v1"),
    ("E022", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_PUBLISHABLE_KEY", ""),
    ("E022", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_PUBLISHABLE_KEY", "sb_secret_key"),
    ("E022", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_PUBLISHABLE_KEY", LEGACY["service_role"]),
    ("E023", "SUPABASE_JWT_SECRET", "SUPABASE_JWT_SECRET", "s" * 31),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["http://luxewin.example"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://luxewin.example/shop"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["null"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["*"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://user@luxewin.example"]),
]


@pytest.fixture
def production(settings) -> Any:
    """Settings with which production starts."""
    for name, value in SAFE.items():
        setattr(settings, name, value)
    return settings


def test_safe_settings_have_no_fault(production):
    assert production_is_safe() == []
    refuse_unsafe_production()


@pytest.mark.parametrize(("number", "says", "name", "value"), UNSAFE)
def test_each_unsafe_value_has_its_number_and_says_what_to_set(number, says, name, value, production):
    setattr(production, name, value)
    faults = {fault.id: fault for fault in production_is_safe()}
    assert set(faults) == {f"luxewin.{number}"}
    assert says in faults[f"luxewin.{number}"].hint
    with pytest.raises(ImproperlyConfigured, match=number):
        refuse_unsafe_production()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SUPABASE_PUBLISHABLE_KEY", LEGACY["anon"]), ("SUPABASE_URL", ""), ("SUPABASE_JWT_SECRET", "s" * 32)],
    ids=["a legacy public key", "no project", "a legacy secret"],
)
def test_other_safe_values_have_no_fault_either(name, value, production):
    setattr(production, name, value)
    assert production_is_safe() == []


@pytest.mark.parametrize(("number", "says", "name", "value"), UNSAFE)
def test_development_starts_all_the_same(number, says, name, value, production):
    production.LUXEWIN_ENV = "development"
    setattr(production, name, value)
    assert production_is_safe() == []


def test_every_numbered_check_is_tried_here():
    source = (configured.BASE_DIR / "luxewin" / "checks.py").read_text()
    assert set(re.findall(r'"(?:luxewin\.)?(E\d{3})"', source)) == {number for number, *_ in UNSAFE}


def _start(module: str, **variables: str) -> subprocess.CompletedProcess:
    """Imports a server's module as a process with these variables and no others."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(
        command, env=bare | variables, cwd=configured.BASE_DIR, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_server_without_variables_refuses_to_start_and_names_every_fault():
    run = _start("luxewin.wsgi")
    assert run.returncode != 0
    assert "refuses to start" in run.stderr
    for number in ("E001", "E002", "E005", "E006", "E007"):
        assert f"luxewin.{number}: " in run.stderr, number


def test_a_server_with_safe_variables_starts():
    run = _start(
        "luxewin.wsgi",
        SECRET_KEY="s" * 50,
        JWT_SIGNING_KEYS=KEYS,
        ALLOWED_HOSTS="api.example.com",
        PUBLIC_URL="https://api.example.com",
        STRIPE_SECRET_KEY="sk_test_" + "a" * 24,
        DATABASE_URL="postgres://nobody:nothing@127.0.0.1:9/nowhere",
    )
    assert run.returncode == 0, run.stderr


def test_every_variable_is_named_in_the_example():
    source = (configured.BASE_DIR / "luxewin" / "settings.py").read_text()
    read = set(re.findall(r'env\.[a-z_]+\(\s*"([A-Z_]+)"', source))
    example = (configured.BASE_DIR / ".env.example").read_text()
    named = set(re.findall(r"^#?\s*([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert len(read) > 30
    assert read - named == set()
    # What nothing reads would mislead whoever sets it. The rest of the project reads some by os.environ.
    others = "".join(path.read_text() for path in (configured.BASE_DIR / "luxewin").rglob("*.py"))
    assert {name for name in named - read if f'"{name}"' not in others} == set()


def test_an_empty_installation_has_nobody_who_could_sign_in(db):
    assert list(get_user_model().objects.values_list("email", flat=True)) == []
