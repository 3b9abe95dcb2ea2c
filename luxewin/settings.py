"""All settings of the project, read from the environment.

Production is the default; staging is production with test keys and stand-ins, and says so on every page. The embedded
parts set LUXEWIN_ENV=development and the addresses of everything they started. `luxewin.checks` refuses to start on a
value that cannot be read, and outside development on one that is missing or unsafe. `.env.example` names every
variable.
"""

import os
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from luxewin.database import BoundedConnection, ReplicaConnection, check, is_transaction_pooler, session_options
from luxewin.draw_bounds import DEVELOPMENT_CHAIN
from luxewin.environment import DEVELOPMENT, STAGING, Environment, environment_name
from luxewin.mail_providers import TIMEOUT_SECONDS, mailer_of, provider_of

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

LUXEWIN_ENV = environment_name()
# Whether it is public: production, and staging, which has the same safety checks.
_guarded = LUXEWIN_ENV != DEVELOPMENT
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.secret("SECRET_KEY", "unset-see-check-luxewin.E001")
SECRET_KEY_FALLBACKS = env.secret_words("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or ([] if _guarded else ["127.0.0.1", "localhost", "[::1]"])
# Public addresses of this backend and the front end, without a trailing slash: links in mails and bundles start with
# them.
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
FRONTEND_URL = env.text("FRONTEND_URL").rstrip("/")
# Whoever bears it may read /metrics; without one nobody can.
METRICS_TOKEN = env.secret("METRICS_TOKEN")
# Origins whose pages may send cookies: the front end's, and those configured.
CSRF_TRUSTED_ORIGINS = [*env.words("CSRF_TRUSTED_ORIGINS"), *([FRONTEND_URL] if FRONTEND_URL else [])]

INSTALLED_APPS = [
    "accounts.back_office.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "rest_framework",
    "corsheaders",
    "django_filters",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "djstripe",
    "django_q",
    "luxewin",
    "luxewin.audit",
    "luxewin.tasks",
    "accounts",
    "luxewin.webhooks",
    "raffles",
    "purchases",
    "verification",
    # Tools for developers; production images do not have this package.
    *(["dev"] if LUXEWIN_ENV == DEVELOPMENT and find_spec("dev") else []),
]

MIDDLEWARE = [
    "luxewin.metrics.requests.MetricsMiddleware",
    "luxewin.api.requests.RequestContextMiddleware",
    "luxewin.api.access_log.AccessLogMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "luxewin.api.https.HttpsOnlyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "luxewin.api.headers.HeadersMiddleware",
    "accounts.cookies.DeadCookiesMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "luxewin.health.clock.RightClockMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "luxewin.urls"
# Requests that each web process handles at once; `manage.py serve --threads` sets it. A call to Stripe holds a thread,
# but no database connection.
WEB_THREADS = env.integer("WEB_THREADS", 96, least=1, most=1_000)
# How the threads of a process are divided, and how many requests wait for each thread; further ones are refused. The
# sum with the four of `/health/` is to stay within WEB_THREADS, and the reads below DATABASE_POOL_SIZE.
READS_AT_ONCE = env.integer("READS_AT_ONCE", max(WEB_THREADS // 12, 1), least=1, most=1_000)
CHECKOUT_AT_ONCE = env.integer("CHECKOUT_AT_ONCE", max(WEB_THREADS * 2 // 3, 1), least=1, most=1_000)
SETTLEMENT_AT_ONCE = env.integer("SETTLEMENT_AT_ONCE", max(WEB_THREADS // 8, 1), least=1, most=1_000)
STAFF_AT_ONCE = env.integer("STAFF_AT_ONCE", max(WEB_THREADS // 12, 1), least=1, most=1_000)
WAITING_PER_THREAD = env.integer("WAITING_PER_THREAD", 4, most=1_000)
# Web processes of a machine; `manage.py serve --workers` sets it. Only the check of the connections reads it, and
# MACHINES: how many machines run a server and a worker with these settings.
WEB_PROCESSES = env.integer("WEB_PROCESSES", os.cpu_count() or 1, least=1, most=1_000)
MACHINES = env.integer("MACHINES", 1, least=1, most=1_000)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "luxewin.staging.banner",
                "luxewin.pages.site_links",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- State: PostgreSQL -----------------------------------------------------------------------------------------------
# The web processes hold a pool; a forked worker with a pool corrupts the protocol, so everything else keeps plain
# connections. `luxewin.asgi` asks for the pool before the settings are read.
DATABASE_POOL = env.flag("DATABASE_POOL", False)
DATABASES: dict[str, dict[str, Any]] = {"default": env.database("DATABASE_URL", "postgresql:///luxewin")}
# Set if a pooler such as PgBouncer gives each transaction another connection: then no session state may outlast one,
# and time limits are the server's (luxewin.connections checks them). Supabase's is known by its address.
DATABASE_TRANSACTION_POOLER = env.flag("DATABASE_TRANSACTION_POOLER", is_transaction_pooler(DATABASES["default"]))
# Seconds after which the server stops a statement, a wait for a lock, and an idle transaction; 0 leaves it to the
# server's own settings. luxewin.database.statement_timeout asks for more, by name.
DATABASE_STATEMENT_SECONDS = env.integer("DATABASE_STATEMENT_SECONDS", 15, most=86_400)
DATABASE_LOCK_SECONDS = env.integer("DATABASE_LOCK_SECONDS", 10, most=86_400)
DATABASE_IDLE_SECONDS = env.integer("DATABASE_IDLE_SECONDS", 60, most=86_400)
# Seconds after which a request of the back office, which may make many statements, begins no further one.
STAFF_REQUEST_SECONDS = env.integer("STAFF_REQUEST_SECONDS", 30, least=1, most=86_400)
# Connections of one web process at most; docs/operations.md has the formula.
DATABASE_POOL_SIZE = env.integer("DATABASE_POOL_SIZE", 10, least=2, most=1_000)
# A streaming replica for public reads (luxewin.replica), and how old what it shows may be, in seconds.
if env.secret("DATABASE_REPLICA_URL", ""):
    DATABASES["replica"] = env.database("DATABASE_REPLICA_URL", "postgresql:///luxewin")
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
DATABASE_REPLICA_LAG_SECONDS = env.integer("DATABASE_REPLICA_LAG_SECONDS", 10, least=5, most=3_600)
DATABASE_ROUTERS = ["luxewin.replica.Router"]
# PgBouncer in transaction mode refuses such options: set them at the server instead.
_limits = (
    ""
    if DATABASE_TRANSACTION_POOLER
    else session_options(
        statement_timeout=DATABASE_STATEMENT_SECONDS,
        lock_timeout=DATABASE_LOCK_SECONDS,
        idle_in_transaction_session_timeout=DATABASE_IDLE_SECONDS,
    )
)
# While all connections wait for a hanging database, this many requests wait for one of them, and the next is refused at
# once: fewer than the server has threads, so that some are left for requests that need no database.
_waiting = env.integer("DATABASE_POOL_WAITING", 80, most=10_000)
for _name, _database in DATABASES.items():
    _options = {"connect_timeout": 5, "application_name": "luxewin"}
    # A vanished machine is noticed after a minute instead of two hours.
    _options |= {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    _options = _database.get("OPTIONS", {}) | _options
    if _limits:
        # Options in the address come after ours, and win.
        _options["options"] = f"{_limits} {_options.get('options', '')}".strip()
    if _name == "replica":
        # The primary can answer too.
        _options["connect_timeout"] = 2
    if DATABASE_POOL:
        _options["pool"] = {
            "min_size": 2,
            "max_size": DATABASE_POOL_SIZE,
            "timeout": _options["connect_timeout"],
            "max_waiting": _waiting,
            "check": check,
            "connection_class": ReplicaConnection if _name == "replica" else BoundedConnection,
        }
    _database |= {
        "CONN_MAX_AGE": 0 if DATABASE_POOL else 60,
        "CONN_HEALTH_CHECKS": True,
        # Behind a pooler a cursor would be on another connection by its next page, with rows missing or another
        # session's. Nothing needs one: what can be long is read in batches, each by a statement of its own.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": _options,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache and rate limits: anything that speaks the Redis protocol --------------------------------------------------
REDIS_URL = env.redis("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "luxewin",
        # A hung Redis must cost a request 0.2 s, not the default 5 s.
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.2, "SOCKET_TIMEOUT": 0.2},
    },
    # Rate limits are counted in Redis, and while it is away in a table that a migration of accounts makes.
    "ratelimits": {"BACKEND": "luxewin.api.ratelimits.CounterCache"},
}
# How much memory each web process may use for ready answers of public reads; 0: it keeps none.
PUBLIC_ANSWERS_MEGABYTES = env.integer("PUBLIC_ANSWERS_MEGABYTES", 64, most=100_000)
RATELIMIT_USE_CACHE = "ratelimits"
RATELIMIT_ENABLE = env.flag("RATELIMIT_ENABLE", True)
# How many proxies in front append to X-Forwarded-For; 0 means that the header is ignored.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, most=16)
RATELIMIT_IP_META_KEY = "luxewin.api.requests.client_address"

# --- Background work -------------------------------------------------------------------------------------------------
WORKERS = env.integer("WORKERS", 2, least=1, most=256)
Q_CLUSTER: dict[str, Any] = {
    "name": "luxewin",
    "orm": "default",
    "broker_class": "luxewin.tasks.broker.DatabaseClockBroker",
    # Sweeps do recurring work; a row of a schedule could call any function of the host.
    "scheduler": False,
    "workers": WORKERS,
    # A task's lock starts when it is fetched, so no more are fetched than can start at once.
    "queue_limit": WORKERS,
    "bulk": 1,
    "timeout": 120,
    "retry": 300,
    "max_attempts": 5,
    "poll": 0.2,
    "catch_up": False,
    "save_limit": 10_000,
    "ack_failures": True,
    "label": "Background work",
}

# --- People ----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["accounts.passwords.Argon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTH_PASSWORD_VALIDATORS[0]["OPTIONS"] = {"user_attributes": ["email", "display_name"]}  # type: ignore[assignment]
AUTH_PASSWORD_VALIDATORS[1]["OPTIONS"] = {"min_length": 10}  # type: ignore[assignment]
AUTH_PASSWORD_VALIDATORS += [
    {"NAME": f"accounts.passwords.{name}PasswordValidator"} for name in ("OwnWords", "Guessable", "Breached")
]
# An operator's own names, of which passwords must not be made; accounts.passwords has the product's.
PASSWORD_WORDS = env.words("PASSWORD_WORDS")
# A service with the range protocol of Have I Been Pwned; unset, only Django's list of common passwords is asked.
BREACHED_PASSWORDS_URL = env.text("BREACHED_PASSWORDS_URL").rstrip("/")
# Whether staff need a second factor, in the back office and for what their roles may do over the API.
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", _guarded)
OTP_TOTP_ISSUER = "LuxeWin"
# accounts.throttle delays guessers; and the window of a code does not adapt to a phone's clock.
OTP_TOTP_THROTTLE_FACTOR = 0
OTP_TOTP_SYNC = False
# The longest lifetime of any mailed link; accounts.links has each purpose's own.
PASSWORD_RESET_TIMEOUT = timedelta(hours=24).total_seconds()
MINIMUM_AGE = env.integer("MINIMUM_AGE", 18, most=120)
# A Supabase Auth project whose users may sign in here. The key is the public one; the secret is for a project that
# still signs with it (HS256).
SUPABASE_URL = env.text("SUPABASE_URL").rstrip("/")
SUPABASE_PUBLISHABLE_KEY = env.text("SUPABASE_PUBLISHABLE_KEY")
SUPABASE_JWT_SECRET = env.secret("SUPABASE_JWT_SECRET", "")
# For their format see accounts.signing_keys. `manage.py rotate_keys` makes them.
JWT_SIGNING_KEYS_FILE = env.text("JWT_SIGNING_KEYS_FILE")
JWT_SIGNING_KEYS = env.secret("JWT_SIGNING_KEYS", may_be_missing=True)
# The keys that sign receipts and heads of logs, in the same format. `manage.py rotate_keys --receipts` makes them.
RECEIPT_KEYS_FILE = env.text("RECEIPT_KEYS_FILE")
RECEIPT_KEYS = env.secret("RECEIPT_KEYS", may_be_missing=True)
# A session ends when it was not refreshed for this long, and in any case this long after its sign-in.
SESSION_IDLE_LIFETIME = timedelta(days=30)
SESSION_LIFETIME = timedelta(days=90)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": SESSION_IDLE_LIFETIME,
    # Our own classes of tokens sign with the keys above; simplejwt's cannot sign at all.
    "AUTH_TOKEN_CLASSES": ["accounts.signatures.AccessToken"],
    "ALGORITHM": "EdDSA",
    "SIGNING_KEY": "",
    "UPDATE_LAST_LOGIN": False,
    "CHECK_USER_IS_ACTIVE": True,
}

# dj-stripe reads these names; STRIPE_API_HOST is left out for the real Stripe.
STRIPE_SECRET_KEY = env.secret("STRIPE_SECRET_KEY", "")
STRIPE_PUBLIC_KEY = env.text("STRIPE_PUBLISHABLE_KEY")
STRIPE_LIVE_MODE = "_live_" in STRIPE_SECRET_KEY
STRIPE_TEST_SECRET_KEY = "" if STRIPE_LIVE_MODE else STRIPE_SECRET_KEY
STRIPE_LIVE_SECRET_KEY = STRIPE_SECRET_KEY if STRIPE_LIVE_MODE else ""
STRIPE_API_VERSION = "2026-05-27.dahlia"
STRIPE_API_BASE = env.text("STRIPE_API_BASE")
if STRIPE_API_BASE:
    STRIPE_API_HOST = STRIPE_API_BASE
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_SUBSCRIBER_CUSTOMER_KEY = "luxewin_user"
HOLD_SECONDS = env.integer("HOLD_SECONDS", 900, least=1, most=86_400)

CHAIN_RPC_URLS = env.secret_words("CHAIN_RPC_URL")
CHAIN_ID = env.integer("CHAIN_ID", 0, most=2**53)
CHAIN_OPERATOR_KEY = env.text("CHAIN_OPERATOR_KEY")
CHAIN_OPERATOR_KEY_FILE = env.text("CHAIN_OPERATOR_KEY_FILE")
CHAIN_OPERATOR_KEY_PASSWORD_FILE = env.text("CHAIN_OPERATOR_KEY_PASSWORD_FILE")
# How many blocks deep a transaction must be to count; where a node mines at once, 1 is "mined".
CHAIN_CONFIRMATIONS = env.integer("CHAIN_CONFIRMATIONS", 12 if _guarded else 1, least=1, most=1_000)
CHAIN_FINAL_BLOCKS = env.integer("CHAIN_FINAL_BLOCKS", 64, least=1, most=100_000)
CHAIN_STUCK_SECONDS = env.integer("CHAIN_STUCK_SECONDS", 90, least=1, most=86_400)
CHAIN_MAX_FEE_GWEI = env.decimal("CHAIN_MAX_FEE_GWEI", 200.0, least=0.000_001, most=1_000_000)
CHAIN_CONTRACT = env.text("CHAIN_CONTRACT")
# The explorer that pages link transactions to, without a trailing slash; unset, they show plain hashes.
CHAIN_EXPLORER_URL = env.text("CHAIN_EXPLORER_URL").rstrip("/")

# Unset means drand's quicknet and its public relays.
BEACON_URLS = env.words("BEACON_URLS")
BEACON_CHAIN_HASH = env.text("BEACON_CHAIN_HASH")
BEACON_PUBLIC_KEY = env.text("BEACON_PUBLIC_KEY")
BEACON_GENESIS_TIME = env.integer("BEACON_GENESIS_TIME", 0, most=2**32)
BEACON_PERIOD = env.integer("BEACON_PERIOD", 0, most=86_400)
# The operator's name as people know it; promised in every manifest.
OPERATOR_NAME = env.text("OPERATOR_NAME", "LuxeWin", most=200)
# Seconds between the commitment of the entries and the beacon round that decides; promised in every manifest.
DRAW_DELAY_SECONDS = env.integer(
    "DRAW_DELAY_SECONDS", 60 if not _guarded and CHAIN_ID == DEVELOPMENT_CHAIN else 900, least=1, most=604_800
)
# How long a round must be overdue before its draw can be announced void, and how long after that it becomes void.
DRAW_VOID_SECONDS = env.integer("DRAW_VOID_SECONDS", 604_800, least=1, most=31_536_000)

# A provider's name (`postmark`) if EMAIL_URL names one, otherwise empty: an SMTP server.
MAIL_PROVIDER = provider_of(env.secret("EMAIL_URL", ""))
if MAIL_PROVIDER:
    MAILERS: dict[str, dict[str, Any]] = {"default": mailer_of(env.secret("EMAIL_URL", ""))}
else:
    _mail = env.mail("EMAIL_URL", "smtp://127.0.0.1:25")
    MAILERS = {
        "default": {
            "BACKEND": "accounts.mail.SmtpBackend",
            "OPTIONS": {
                "host": _mail["EMAIL_HOST"],
                "port": _mail["EMAIL_PORT"],
                "username": _mail["EMAIL_HOST_USER"] or "",
                "password": _mail["EMAIL_HOST_PASSWORD"] or "",
                "use_tls": _mail.get("EMAIL_USE_TLS", False),
                "use_ssl": _mail.get("EMAIL_USE_SSL", False),
                "timeout": 10,
            },
        }
    }
ANYMAIL = {"REQUESTS_TIMEOUT": TIMEOUT_SECONDS}
# NAME:PASSWORD that the provider shows when it says what became of mails (webhooks/mail); unset, it is not heard.
MAIL_WEBHOOK_SECRET = env.secret("MAIL_WEBHOOK_SECRET", "")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "LuxeWin <no-reply@luxewin.example>")
# Support's address in mails and pages; answers to mails go there.
SUPPORT_EMAIL = env.text("SUPPORT_EMAIL", "" if _guarded else "support@luxewin.example")

# The operator's postal address and tax number, for receipts and the end of mails: lines, separated by |.
OPERATOR_ADDRESS = [line.strip() for line in env.text("OPERATOR_ADDRESS").split("|") if line.strip()]
# The tax within ticket prices that payment receipts state, as in VAT and 20; 0: none.
RECEIPT_TAX_NAME = env.text("RECEIPT_TAX_NAME", "VAT", most=40)
RECEIPT_TAX_PERCENT = env.decimal("RECEIPT_TAX_PERCENT", 0.0, most=100)

# Novu, which tells people by push, SMS or chat; without the key it is not used. The address is that of its American
# cloud, its European one (https://eu.api.novu.co), or a server of one's own.
NOVU_SECRET_KEY = env.secret("NOVU_SECRET_KEY", "")
NOVU_API_URL = env.text("NOVU_API_URL", "https://api.novu.co").rstrip("/")

# Networks of our own that webhook endpoints may be in although they are private; unset, none may.
WEBHOOK_PRIVATE_NETWORKS = env.networks("WEBHOOK_PRIVATE_NETWORKS")

# --- The API ---------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["luxewin.api.parsers.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "luxewin.api.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "luxewin.api.schema.ContractSchema",
    # OPTIONS adds nothing to the document; CORS answers its own requests before they come here.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "luxewin.api.problems.problem_response",
    "DATETIME_FORMAT": "iso-8601",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "LuxeWin (staging)" if LUXEWIN_ENV == STAGING else "LuxeWin",
    "DESCRIPTION": "Luxury raffles with a draw that anyone can verify. Money is an integer in Stripe's unit: "
    "500 is 5.00 GBP, 5 ISK or UGX, 500 JPY or MGA, 0.500 KWD.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "WEBHOOKS": [
        f"luxewin.webhooks.documentation.{name}"
        for name in (
            "PURCHASE_PAID",
            "PURCHASE_REFUNDED",
            "RAFFLE_PUBLISHED",
            "RAFFLE_CLOSED",
            "RAFFLE_CANCELLED",
            "RAFFLE_DRAWN",
            "WINNER_CLAIMED",
            "DISPUTE_OPENED",
        )
    ],
    "PREPROCESSING_HOOKS": ["luxewin.api.schema.one_path_for_each_action"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "luxewin.api.schema.name_webhooks_and_files",
    ],
    "SERVERS": [{"url": "/", "description": "The installation that serves this document"}],
    "CONTACT": {"name": "Support", "email": SUPPORT_EMAIL},
    "LICENSE": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
    "TAGS": [
        {"name": name, "description": about}
        for name, about in (
            ("auth", "Registration, sign-in, sessions"),
            ("users", "The signed-in person's account, safeguards and data"),
            ("shop", "This installation, as a shop shows it"),
            ("raffles", "The catalogue: read by anyone, written by raffle managers"),
            ("purchases", "The signed-in person's purchases and tickets"),
            ("verification", "Draws and what it takes to verify them"),
            ("winners", "Who won what, as they chose to be named"),
            ("webhooks", "Events that this backend sends to your other systems"),
            ("documentation", "This document"),
        )
    ],
    "ENUM_NAME_OVERRIDES": {
        "PurchaseStatus": "purchases.models.Purchase.Status",
        "RafflePhase": "raffles.phases.Phase",
        "DrawState": "verification.models.Draw.State",
    },
}

# Development uses a stand-in for Stripe; production refuses one (luxewin.E008).
SILENCED_SYSTEM_CHECKS = ["djstripe.W002"] if STRIPE_API_BASE else []

# --- Security --------------------------------------------------------------------------------------------------------
# Requests come over TLS in production; behind a proxy its header says so.
_tls = _guarded
# Our pages have no inline script or style, so there is no nonce; pictures of prizes may be anywhere.
SECURE_CSP: dict[str, str | list[str]] = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:", "https:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
    **({"upgrade-insecure-requests": ""} if _tls else {}),
}
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", _tls)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31_536_000 if _tls else 0, most=315_360_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _tls
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _tls
# The API's own cookies, for `mode: cookie`; browsers require TLS for names with a prefix.
ACCESS_COOKIE = "__Host-access" if _tls else "access"
REFRESH_COOKIE = "__Secure-refresh" if _tls else "refresh"
# Says no more than that there is a session; scripts may read it.
SIGNED_IN_COOKIE = "__Host-signed-in" if _tls else "signed-in"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "luxewin.api.problems.csrf_failed"
# Origins whose pages may read answers, cookies included: the front end's, and those configured. Not for the back
# office, the webhooks, and the pages of mailed links.
CORS_ALLOWED_ORIGINS = [*env.words("CORS_ALLOWED_ORIGINS"), *([FRONTEND_URL] if FRONTEND_URL else [])]
CORS_URLS_REGEX = r"^/(?:api/v1/(?!webhooks/)|\.well-known/jwks\.json$)"
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "POST", "PATCH", "DELETE", "OPTIONS"]
CORS_ALLOW_HEADERS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "x-csrftoken",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = ["Content-Disposition", "ETag", "Retry-After", "X-Request-ID"]
# As long as any browser caches it.
CORS_PREFLIGHT_MAX_AGE = 7200
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

# --- Language, time, files, logs -------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
# Languages of messages: templates/mail, and a folder in it for each but the first.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
# Dates are typed as ISO 8601 has them: 01/12/2026 is one day in London and another in New York.
FORMAT_MODULE_PATH = ["luxewin.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not _guarded
# Lines of the access log that each web process writes a second at most; 0: none.
ACCESS_LOG_PER_SECOND = env.integer("ACCESS_LOG_PER_SECOND", 20 if _guarded else 0, most=10_000)
LOG_LEVELS = {"CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "luxewin.api.requests.RequestIdFilter"}},
    "formatters": {
        "line": {
            "()": "luxewin.logs.BoundedFormatter",
            "format": "{asctime} {levelname} {name} [{request_id}] {message}",
            "style": "{",
        },
        "json": {"()": "luxewin.logs.BoundedJsonFormatter"},
    },
    "handlers": {
        "console": {
            "()": "luxewin.logs.OncePerCauseHandler",
            "interval": env.decimal("LOG_REPEAT_SECONDS", 60.0, most=86_400),
            "formatter": env.one_of("LOG_FORMAT", "line", {"line", "json"}),
            "filters": ["request"],
        }
    },
    "root": {"handlers": ["console"], "level": env.one_of("LOG_LEVEL", "INFO", LOG_LEVELS)},
    "loggers": {
        "django.request": {"level": "ERROR"},
        # A line for each task would hide the others; failures are errors, and the back office lists them all.
        "django-q": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
    },
}

# Faults of the variables themselves, and facts about them for `luxewin.checks`.
ENVIRONMENT = env
