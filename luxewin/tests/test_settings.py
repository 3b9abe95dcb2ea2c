"""A production process refuses to start on a missing or unsafe value, and says what to set."""

import re
import string
from base64 import b64encode
from typing import Any

import jwt
import pytest
from django.conf import settings as configured
from django.contrib.auth import get_user_model

from luxewin.checks import people_can_answer, production_is_safe, refuse_unsafe_settings


def _mail(host: str, *, password: str = "", use_tls: bool = False) -> dict[str, Any]:
    options = {"host": host, "password": password, "use_tls": use_tls, "use_ssl": False}
    return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}


# Of the tests alone; a new one each time would name tests otherwise in each process.
KEYS = "8f0ZbkkMNp8eZWqWG607G33WOY_-NHGKKmfP34m8nZE"
RECEIPT_KEYS = "uJ9sQ0b3Y2c7mVxk1rTnWg5zLhP8eAoIdFy4CqRtN6M"
# Of RFC 8037 and RFC 8032.
PRINTED = ("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs")
KEY = "kYb3mXq9vT1rLwZs7cNfJd5hPgE0uKaIoB4tVyM6xQ2eCjWn8R"
LIVE, TEST = "sk_live_" + "a1" * 12, "sk_test_" + "a1" * 12
SAFE: dict[str, Any] = {
    "LUXEWIN_ENV": "production",
    "SECRET_KEY": KEY,
    "SECRET_KEY_FALLBACKS": [KEY[::-1]],
    "JWT_SIGNING_KEYS": KEYS,
    "RECEIPT_KEYS": RECEIPT_KEYS,
    "DEBUG": False,
    "ALLOWED_HOSTS": ["api.example.com"],
    "PUBLIC_URL": "https://api.example.com",
    "STRIPE_SECRET_KEY": LIVE,
    "STRIPE_PUBLIC_KEY": "pk_live_a1",
    "STRIPE_API_BASE": "",
    "RATELIMIT_ENABLE": True,
    "CHAIN_RPC_URLS": ["https://chain.example.com"],
    "CHAIN_ID": 1,
    "DRAW_DELAY_SECONDS": 600,
    "DRAW_VOID_SECONDS": 604_800,
    "STAFF_SECOND_FACTOR": True,
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_key",
    "SUPABASE_JWT_SECRET": "",
    "CORS_ALLOWED_ORIGINS": ["https://luxewin.example", "https://app.luxewin.example:8443"],
    "CSRF_TRUSTED_ORIGINS": ["https://luxewin.example"],
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 31_536_000,
    "HOLD_SECONDS": 900,
    "MINIMUM_AGE": 18,
    "TRUSTED_PROXIES": 1,
    "WORKERS": 2,
    "MAILERS": _mail("smtp.example.com", password="p", use_tls=True),
    "BREACHED_PASSWORDS_URL": "https://api.pwnedpasswords.com",
    "CHAIN_EXPLORER_URL": "https://etherscan.io",
    "CHAIN_CONTRACT": "0x" + "ab" * 20,
    "CHAIN_CONFIRMATIONS": 12,
    "CHAIN_FINAL_BLOCKS": 64,
    "BEACON_URLS": ["https://api.drand.sh"],
    **dict.fromkeys(["BEACON_CHAIN_HASH", "BEACON_PUBLIC_KEY"], ""),
    **dict.fromkeys(["BEACON_GENESIS_TIME", "BEACON_PERIOD"], 0),
    "DEFAULT_FROM_EMAIL": "LuxeWin <no-reply@luxewin.example>",
    "MAIL_PROVIDER": "",
    "MAIL_WEBHOOK_SECRET": "mail:" + "a1" * 16,
    "NOVU_SECRET_KEY": "a1" * 16,
    "NOVU_API_URL": "https://eu.api.novu.co",
}
LEGACY = {role: jwt.encode({"role": role}, "s" * 32) for role in ("anon", "service_role")}
UNSAFE = [
    ("E001", "SECRET_KEY", "SECRET_KEY", "unset-see-check-luxewin.E001-" + "x" * 30),
    ("E001", "SECRET_KEY", "SECRET_KEY", KEY[:49]),
    ("E001", "SECRET_KEY", "SECRET_KEY", "a" * 60),
    ("E001", "SECRET_KEY", "SECRET_KEY", "abcdefghij" * 6),
    ("E001", "SECRET_KEY", "SECRET_KEY", string.ascii_letters + string.digits),
    ("E001", "SECRET_KEY", "SECRET_KEY", "django-insecure-" + KEY),
    ("E001", "SECRET_KEY", "SECRET_KEY", "ThisIsASecretKeyThatIsFiftyCharactersLongForSureOkay"),
    ("E014", "SECRET_KEY_FALLBACKS", "SECRET_KEY_FALLBACKS", [KEY, "b" * 60]),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", ""),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", "j" * 43),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", "s" * 50),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", PRINTED[0]),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"{KEYS},2026-01-01:{PRINTED[1]}"),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"{KEYS},{KEYS}"),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"2999-01-01:{KEYS}"),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", f"tomorrow:{KEYS}"),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", b64encode(bytes(range(32))).decode()),
    ("E002", "rotate_keys", "JWT_SIGNING_KEYS", b64encode(b"only-for-the-linter-a-seed-of-32").decode()),
    ("E036", "rotate_keys --receipts", "RECEIPT_KEYS", ""),
    ("E036", "rotate_keys --receipts", "RECEIPT_KEYS", PRINTED[0]),
    ("E036", "rotate_keys --receipts", "RECEIPT_KEYS", "tomorrow:" + RECEIPT_KEYS),
    ("E036", "rotate_keys --receipts", "RECEIPT_KEYS", KEYS),
    ("E004", "DEBUG", "DEBUG", True),
    ("E005", "ALLOWED_HOSTS", "ALLOWED_HOSTS", []),
    ("E005", "ALLOWED_HOSTS", "ALLOWED_HOSTS", ["api.example.com", "*"]),
    *(
        ("E005", "ALLOWED_HOSTS", "ALLOWED_HOSTS", ["api.example.com", host])
        for host in (
            ".com",
            ".example.com",
            "*.example.com",
            "https://api.example.com",
            "api.example.com:443",
            "a b.com",
        )
    ),
    ("E006", "PUBLIC_URL", "PUBLIC_URL", "http://api.example.com"),
    *(
        ("E006", "PUBLIC_URL", "PUBLIC_URL", f"https://{rest}")
        for rest in ("staff@api.example.com", "api.example.com/shop", "api.example.com?a=b", "api.example.com#a")
    ),
    ("E033", "ALLOWED_HOSTS", "PUBLIC_URL", "https://other.example.com"),
    ("E007", "STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", ""),
    ("E007", "STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", "pk_live_" + "a" * 24),
    ("E031", "STRIPE_PUBLISHABLE_KEY", "STRIPE_PUBLIC_KEY", "pk_test_a1"),
    ("E031", "STRIPE_PUBLISHABLE_KEY", "STRIPE_PUBLIC_KEY", LIVE),
    ("E008", "STRIPE_API_BASE", "STRIPE_API_BASE", "http://127.0.0.1:1"),
    ("E009", "RATELIMIT_ENABLE", "RATELIMIT_ENABLE", False),
    ("E010", "CHAIN_ID", "CHAIN_ID", 0),
    ("E011", "DRAW_DELAY_SECONDS", "DRAW_DELAY_SECONDS", 599),
    ("E012", "DRAW_VOID_SECONDS", "DRAW_VOID_SECONDS", 604_799),
    ("E013", "STAFF_SECOND_FACTOR", "STAFF_SECOND_FACTOR", False),
    ("E021", "SUPABASE_URL", "SUPABASE_URL", "http://project.supabase.co"),
    ("E021", "SUPABASE_URL", "SUPABASE_URL", "project.supabase.co"),
    ("E021", "SUPABASE_URL", "SUPABASE_URL", "https://project.supabase.co/auth/v1"),
    ("E022", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_PUBLISHABLE_KEY", ""),
    ("E022", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_PUBLISHABLE_KEY", "sb_secret_key"),
    ("E022", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_PUBLISHABLE_KEY", LEGACY["service_role"]),
    ("E023", "SUPABASE_JWT_SECRET", "SUPABASE_JWT_SECRET", KEY[:31]),
    ("E023", "SUPABASE_JWT_SECRET", "SUPABASE_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["http://luxewin.example"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://luxewin.example/shop"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["null"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["*"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://user@luxewin.example"]),
    ("E024", "https://", "CORS_ALLOWED_ORIGINS", ["https://10.0.0.1"]),
    ("E025", "https://", "CSRF_TRUSTED_ORIGINS", ["https://*.luxewin.example"]),
    ("E017", "HOLD_SECONDS", "HOLD_SECONDS", 59),
    ("E017", "HOLD_SECONDS", "HOLD_SECONDS", -1),
    ("E018", "MINIMUM_AGE", "MINIMUM_AGE", 0),
    ("E018", "MINIMUM_AGE", "MINIMUM_AGE", 17),
    ("E019", "SECURE_SSL_REDIRECT", "SECURE_SSL_REDIRECT", False),
    ("E019", "SECURE_HSTS_SECONDS", "SECURE_HSTS_SECONDS", 0),
    ("E020", "smtp+tls", "MAILERS", _mail("smtp.example.com")),
    ("E020", "smtp+tls", "MAILERS", _mail("10.0.0.1", password="p")),
    ("E027", "https", "BREACHED_PASSWORDS_URL", "http://api.pwnedpasswords.com"),
    ("E027", "https", "CHAIN_EXPLORER_URL", "https://me@etherscan.io"),
    ("E028", "/info", "BEACON_CHAIN_HASH", "ab" * 32),
    ("E028", "/info", "BEACON_PERIOD", 3),
    ("E029", "0x", "CHAIN_CONTRACT", "0xab"),
    ("E030", "CHAIN_FINAL_BLOCKS", "CHAIN_FINAL_BLOCKS", 11),
    ("E032", "DEFAULT_FROM_EMAIL", "DEFAULT_FROM_EMAIL", "LuxeWin"),
    ("E034", "https", "CHAIN_RPC_URLS", ["http://chain.example.com"]),
    ("E034", "https", "CHAIN_RPC_URLS", ["https://user:secret@chain.example.com"]),
    ("E034", "https", "BEACON_URLS", ["http://api.drand.sh"]),
    ("E035", "TRUSTED_PROXIES", "TRUSTED_PROXIES", -1),
    ("E035", "WORKERS", "WORKERS", 0),
    ("E039", "METRICS_TOKEN", "METRICS_TOKEN", "short"),
    ("E039", "METRICS_TOKEN", "METRICS_TOKEN", "a" * 40),
    ("E042", "MAIL_WEBHOOK_SECRET", "MAIL_WEBHOOK_SECRET", "mail:short"),
    ("E041", "NOVU_API_URL", "NOVU_API_URL", "http://novu.example.com"),
]


@pytest.fixture
def production(settings) -> Any:
    """Settings with which production starts."""
    for name, value in SAFE.items():
        setattr(settings, name, value)
    return settings


def test_safe_settings_have_no_fault(production):
    assert production_is_safe() == []
    refuse_unsafe_settings()


@pytest.mark.parametrize(("number", "says", "name", "value"), UNSAFE)
def test_each_unsafe_value_has_its_number_and_says_what_to_set(number, says, name, value, production):
    setattr(production, name, value)
    faults = {fault.id: fault for fault in production_is_safe()}
    assert set(faults) == {f"luxewin.{number}"}
    assert says in faults[f"luxewin.{number}"].hint
    with pytest.raises(SystemExit, match=number):
        refuse_unsafe_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SUPABASE_PUBLISHABLE_KEY", LEGACY["anon"]), ("SUPABASE_URL", ""), ("SUPABASE_JWT_SECRET", KEY[:32])],
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
    assert set(re.findall(r'"(?:luxewin\.)?(E\d{3})"', source)) == {number for number, *_ in UNSAFE} | {"E016", "E026"}


def test_a_deploy_check_names_a_missing_sender_and_support_address(production, monkeypatch):
    monkeypatch.delenv("DEFAULT_FROM_EMAIL", raising=False)
    for address in ("", "support", "support@localhost"):
        production.SUPPORT_EMAIL = address
        assert [each.id for each in people_can_answer()] == ["luxewin.W003", "luxewin.W004"]
    monkeypatch.setenv("DEFAULT_FROM_EMAIL", production.DEFAULT_FROM_EMAIL)
    production.SUPPORT_EMAIL = "Support <support@example.com>"
    assert people_can_answer() == []
    production.LUXEWIN_ENV, production.SUPPORT_EMAIL = "development", ""
    assert people_can_answer() == []


@pytest.mark.parametrize("key", [TEST, TEST.replace("sk_", "rk_")])
def test_production_takes_no_test_key(key, production):
    production.STRIPE_SECRET_KEY, production.STRIPE_PUBLIC_KEY = key, ""
    (fault,) = production_is_safe()
    assert (fault.id, "staging" in fault.hint) == ("luxewin.E016", True)


def test_staging_demands_the_same_but_for_test_keys_and_stand_ins(production):
    production.LUXEWIN_ENV = "staging"
    production.STRIPE_SECRET_KEY, production.STRIPE_PUBLIC_KEY = TEST, ""
    production.STRIPE_API_BASE = "http://stripe:8420"
    production.CHAIN_RPC_URLS = ["http://chain.example.com"]
    assert production_is_safe() == []
    for number, _, name, value in UNSAFE:
        if number not in {"E008", "E031", "E034"}:
            kept = getattr(production, name)
            setattr(production, name, value)
            assert [fault.id for fault in production_is_safe()] == [f"luxewin.{number}"], (name, value)
            setattr(production, name, kept)


def test_every_variable_is_named_in_the_example():
    source = (configured.BASE_DIR / "luxewin" / "settings.py").read_text()
    read = set(re.findall(r'env\.[a-z_]+\(\s*"([A-Z_]+)"', source)) | {"LUXEWIN_ENV"}
    secret = r'env\.(?:secret|secret_words|database|mail|redis)\(\s*"([A-Z_]+)"'
    read |= {f"{name}_FILE" for name in re.findall(secret, source)}
    example = (configured.BASE_DIR / ".env.example").read_text()
    named = set(re.findall(r"^#?\s*([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert len(read) > 30
    assert read - named == set()
    # What nothing reads would mislead whoever sets it. The rest of the project reads some by os.environ.
    others = "".join(path.read_text() for path in (configured.BASE_DIR / "luxewin").rglob("*.py"))
    assert {name for name in named - read if f'"{name}"' not in others} == set()


def test_an_empty_installation_has_nobody_who_could_sign_in(db):
    assert list(get_user_model().objects.values_list("email", flat=True)) == []
