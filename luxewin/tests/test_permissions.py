"""Who may do what: one table over every route, and one over every page of the back office."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Identity, Notification, User
from accounts.notifications import notify
from accounts.tokens import open_session
from luxewin.api.examples import EXAMPLES
from purchases.models import Payment, Purchase
from raffles.reminders import keep_favourite
from verification.models import Award
from verification.tests.held import held

ROLES = ("anonymous", "unverified", "owner", "other", "managers", "finance", "support", "auditors", "root")


class Row(NamedTuple):
    """A verb at a path, and the status that each of ROLES gets, in that order."""

    verb: str
    path: str
    statuses: str
    body: dict[str, Any] | None = None


ANYONE = " ".join(["200"] * 9)
NOBODY = " ".join(["404"] * 9)
# A refusal of the input, which only those hear who were let through to it.
INPUT = " ".join(["400"] * 9)
SIGNED_IN = "401 200 200 200 200 200 200 200 200"
VERIFIED = "401 403 200 200 200 200 200 200 200"
MANAGERS = "401 403 403 403 {0} 403 403 403 {0}"
CLAIM, DOCUMENT = EXAMPLES["claimPrize"], EXAMPLES["sendClaimDocument"]
TABLE = [
    Row("get", "/", ANYONE),
    Row("get", "/verify-email", ANYONE),
    Row("post", "/verify-email", INPUT),
    Row("get", "/verify-email/resend", ANYONE),
    Row("post", "/verify-email/resend", INPUT),
    Row("get", "/login", ANYONE),
    Row("get", "/forgot-password", ANYONE),
    Row("post", "/forgot-password", INPUT),
    Row("get", "/raffles/{open}", ANYONE),
    Row("get", "/raffles/{draft}", " ".join(["404"] * 9)),
    Row("get", "/.well-known/jwks.json", ANYONE),
    Row("get", "/confirm-email", ANYONE),
    Row("post", "/confirm-email", INPUT),
    Row("get", "/reset-password", ANYONE),
    Row("post", "/reset-password", INPUT),
    Row("get", "/unsubscribe", ANYONE),
    Row("post", "/unsubscribe", INPUT),
    Row("get", "/export", ANYONE),
    Row("post", "/export", INPUT),
    Row("get", "/keep-account", ANYONE),
    Row("post", "/keep-account", INPUT),
    Row("get", "/verify", ANYONE),
    Row("get", "/verify/verifier.py", ANYONE),
    Row("get", "/verify/{open}", ANYONE),
    Row("get", "/health/live", ANYONE),
    Row("get", "/health/ready", ANYONE),
    Row("get", "/metrics", NOBODY),
    Row("get", "/api/v1/schema", ANYONE),
    Row("get", "/api/v1/docs", ANYONE),
    Row("get", "/api/v1/redoc", ANYONE),
    Row("post", "/api/v1/auth/register", INPUT),
    Row("post", "/api/v1/auth/verify", INPUT),
    Row("post", "/api/v1/auth/verify/resend", INPUT),
    Row("post", "/api/v1/auth/login", INPUT),
    Row("post", "/api/v1/auth/login/second", INPUT),
    Row("post", "/api/v1/auth/supabase", INPUT),
    Row("get", "/api/v1/auth/csrf", ANYONE),
    Row("post", "/api/v1/auth/refresh", INPUT),
    Row("post", "/api/v1/auth/logout", INPUT),
    Row("post", "/api/v1/auth/password/forgot", INPUT),
    Row("post", "/api/v1/auth/password/reset", INPUT),
    Row("post", "/api/v1/auth/email/confirm", INPUT),
    Row("get", "/api/v1/auth/sessions", SIGNED_IN),
    Row("delete", "/api/v1/auth/sessions", SIGNED_IN.replace("200", "204")),
    Row("post", "/api/v1/auth/sessions/confirm", SIGNED_IN.replace("200", "400")),
    Row("delete", "/api/v1/auth/sessions/{session}", "401 404 204 404 404 404 404 404 404"),
    Row("get", "/api/v1/users/profile", SIGNED_IN),
    Row("patch", "/api/v1/users/profile", SIGNED_IN, {"country": "FR"}),
    Row("post", "/api/v1/users/password", SIGNED_IN.replace("200", "400")),
    Row("post", "/api/v1/users/email", SIGNED_IN.replace("200", "400")),
    Row("get", "/api/v1/users/totp", SIGNED_IN),
    Row("post", "/api/v1/users/totp", SIGNED_IN.replace("200", "400")),
    Row("post", "/api/v1/users/totp/confirm", SIGNED_IN.replace("200", "400")),
    Row("post", "/api/v1/users/totp/recovery", SIGNED_IN.replace("200", "400")),
    Row("post", "/api/v1/users/totp/off", SIGNED_IN.replace("200", "400")),
    Row("get", "/api/v1/users/identities", SIGNED_IN),
    # Only its owner hears that the password is missing or wrong.
    Row("post", "/api/v1/users/identities/{identity}/unlink", "401 404 400 404 404 404 404 404 404", {"password": "x"}),
    Row("get", "/api/v1/auth/terms", " ".join(["404"] * 9)),
    Row("get", "/api/v1/users/safeguards", SIGNED_IN),
    Row("patch", "/api/v1/users/safeguards", VERIFIED, {"currency": "gbp", "limit": 5000}),
    Row("post", "/api/v1/users/safeguards/pause", VERIFIED, {"hours": 24}),
    Row("post", "/api/v1/users/safeguards/exclude", VERIFIED, {"months": 6}),
    Row("post", "/api/v1/users/terms", SIGNED_IN.replace("200", "400"), {"version": "none"}),
    Row("get", "/api/v1/users/preferences", SIGNED_IN),
    Row("patch", "/api/v1/users/preferences", SIGNED_IN, {"notifications": {"draws": {"email": False}}}),
    Row("get", "/api/v1/users/notifications", SIGNED_IN),
    Row("get", "/api/v1/users/notifications/unread", SIGNED_IN),
    Row("post", "/api/v1/users/notifications/read", SIGNED_IN, {}),
    Row("post", "/api/v1/users/notifications/{notification}/read", "401 404 200 404 404 404 404 404 404"),
    Row("get", "/api/v1/users/favourites", SIGNED_IN),
    Row("post", "/api/v1/users/favourites", SIGNED_IN, {"raffle": "{open}"}),
    Row("delete", "/api/v1/users/favourites/{favourite}", "401 404 204 404 404 404 404 404 404"),
    Row("get", "/api/v1/users/prizes", SIGNED_IN),
    Row("get", "/api/v1/users/prizes/{prize}", "401 404 200 404 404 404 404 404 404"),
    Row("post", "/api/v1/users/prizes/{prize}/claim", "401 404 200 404 404 404 404 404 404", CLAIM),
    Row("post", "/api/v1/users/prizes/{prize}/documents", "401 404 409 404 404 404 404 404 404", DOCUMENT),
    Row("get", "/api/v1/users/export", SIGNED_IN),
    Row("post", "/api/v1/users/export", "401 403 202 202 202 202 202 202 202"),
    Row("post", "/api/v1/users/delete", SIGNED_IN.replace("200", "400")),
    Row("get", "/api/v1/shop", ANYONE),
    Row("get", "/api/v1/shop/list", ANYONE),
    Row("get", "/api/v1/raffles/categories", ANYONE),
    Row("get", "/api/v1/raffles", ANYONE),
    Row("get", "/api/v1/raffles/list", ANYONE),
    Row("post", "/api/v1/raffles", MANAGERS.format(400)),
    Row("post", "/api/v1/raffles/create", MANAGERS.format(400)),
    Row("get", "/api/v1/raffles/{open}", ANYONE),
    Row("get", "/api/v1/raffles/{draft}", "404 404 404 404 200 404 404 404 200"),
    Row("patch", "/api/v1/raffles/{draft}", MANAGERS.format(200), {"title": "Another"}),
    Row("patch", "/api/v1/raffles/{open}", MANAGERS.format(409), {"title": "Another"}),
    Row("post", "/api/v1/raffles/{draft}/publish", MANAGERS.format(200)),
    Row("post", "/api/v1/raffles/{open}/cancel", MANAGERS.format(200), {"reason": "A flood."}),
    Row("get", "/api/v1/purchases", SIGNED_IN),
    Row("get", "/api/v1/purchases/list", SIGNED_IN),
    Row("get", "/api/v1/purchases/totals", SIGNED_IN),
    Row("post", "/api/v1/purchases", "401 400 400 400 400 400 400 400 400"),
    Row("post", "/api/v1/purchases/create", "401 403 201 201 201 201 201 201 201", {"raffle": "{open}", "quantity": 1}),
    Row("post", "/api/v1/purchases/verify", "401 404 200 404 404 404 404 404 404", {"purchase": "{purchase}"}),
    Row("get", "/api/v1/purchases/{purchase}", "401 404 200 404 404 404 404 404 404"),
    Row("get", "/api/v1/purchases/{purchase}/receipt", "401 404 200 404 404 404 404 404 404"),
    Row("post", "/api/v1/purchases/{purchase}/cancel", "401 404 409 404 404 404 404 404 404"),
    Row("get", "/api/v1/verification", ANYONE),
    Row("get", "/api/v1/winners", ANYONE),
    Row("get", "/api/v1/winners/list", ANYONE),
    Row("get", "/api/v1/verification/list", ANYONE),
    Row("get", "/api/v1/verification/{open}", ANYONE),
    # Not drawn yet: everyone is told so alike.
    Row("get", "/api/v1/verification/{open}/bundle", " ".join(["409"] * 9)),
    Row("get", "/api/v1/verification/{open}/entries.csv", " ".join(["409"] * 9)),
    Row("get", "/api/v1/verification/{open}/log", ANYONE),
    Row("get", "/api/v1/verification/{open}/log/heads", ANYONE),
    Row("get", "/api/v1/verification/{open}/log/proof", " ".join(["400"] * 9)),
    Row("get", "/api/v1/verification/{open}/entries/{purchase}", "401 404 409 404 404 404 404 404 404"),
    # No provider is configured.
    Row("post", "/api/v1/webhooks/mail", " ".join(["404"] * 9)),
    Row("post", "/api/v1/webhooks/stripe/{uuid}", INPUT),
]
# Who sees which list of the back office besides the superuser; what is not named here, the superuser sees alone.
PEOPLE = {"support", "auditors"}
MONEY = {"finance", "support", "auditors"}
STAFF = {"managers", "finance", "support", "auditors"}
LISTS = {
    "webhooks.Endpoint": {"support", "auditors"},
    "webhooks.Delivery": {"support", "auditors"},
    "accounts.Authenticator": PEOPLE,
    "accounts.BlockedAddress": PEOPLE,
    "accounts.CountryRule": {"managers", *PEOPLE},
    "accounts.Identity": PEOPLE,
    "accounts.Notification": {"managers", *PEOPLE},
    "accounts.Safeguards": PEOPLE,
    "accounts.SpendLimit": PEOPLE,
    "accounts.Terms": {"managers", *PEOPLE},
    "accounts.TermsAcceptance": PEOPLE,
    "accounts.User": PEOPLE,
    "accounts.Deletion": PEOPLE,
    "accounts.Export": PEOPLE,
    "accounts.RetentionRule": PEOPLE,
    "audit.AuditEntry": {"auditors"},
    "audit.Seal": {"auditors"},
    "django_q.Failure": PEOPLE,
    "django_q.OrmQ": PEOPLE,
    "django_q.Success": PEOPLE,
    "tasks.Heartbeat": PEOPLE,
    "tasks.StartedTask": PEOPLE,
    "djstripe.Charge": {"finance", "auditors"},
    "djstripe.Customer": {"finance", "auditors"},
    "djstripe.Dispute": {"finance", "auditors"},
    "djstripe.Event": {"finance", "auditors"},
    "djstripe.PaymentIntent": {"finance", "auditors"},
    "djstripe.Refund": {"finance", "auditors"},
    "djstripe.WebhookEventTrigger": {"finance", "auditors"},
    "purchases.Dispute": MONEY,
    "purchases.Payment": MONEY,
    "purchases.PostalEntry": MONEY,
    "purchases.LapseWait": MONEY,
    "purchases.Purchase": MONEY,
    "purchases.Reconciliation": {"finance", "auditors"},
    "purchases.Refund": MONEY,
    "purchases.SkillAttempt": {"managers", "support", "auditors"},
    "purchases.SettledDifference": {"finance", "auditors"},
    "purchases.StaleMirror": {"finance", "auditors"},
    "purchases.UnstoredEvent": {"finance", "auditors"},
    "purchases.SetAsideEvent": {"finance", "auditors"},
    "raffles.Raffle": STAFF,
    "raffles.SaleStop": STAFF,
    "verification.ChainAccount": STAFF,
    "verification.Claim": STAFF,
    "verification.Draw": STAFF,
}
# (label, page) that may be opened to write; everything else is read only or closed.
WRITABLE = {
    ("accounts.CountryRule", "add"): {"managers"},
    ("accounts.Safeguards", "add"): {"support"},
    ("accounts.Terms", "add"): {"managers"},
    ("raffles.Raffle", "add"): {"managers"},
    ("raffles.SaleStop", "add"): {"managers", "finance"},
    ("purchases.PostalEntry", "add"): {"support"},
    ("purchases.SettledDifference", "add"): {"finance"},
}


@pytest.fixture
def cast(alice, bob, charlie, mona, fiona, sam, audrey, person) -> dict[str, User | None]:
    """Everybody, by role."""
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    root.refresh_from_db()
    return dict(zip(ROLES, (None, charlie, alice, bob, mona, fiona, sam, audrey, root), strict=True))


@pytest.fixture
def world(cast, draft, on_sale) -> SimpleNamespace:
    """A draft, a raffle on sale, and Alice's paid purchase in it."""
    raffle = on_sale()
    purchase = Purchase.objects.create(
        raffle=raffle,
        buyer=cast["owner"],
        quantity=2,
        amount=1000,
        currency="gbp",
        status="paid",
        first_ticket=1,
        idempotency_key="k",
        request_digest=b"d",
        expires_at=timezone.now(),
        paid_at=timezone.now(),
    )
    Payment.objects.create(purchase=purchase)
    open_session(cast["owner"], user_agent="")
    session = str(cast["owner"].sessions.get().pk)
    linked = Identity.objects.create(provider="supabase", subject=uuid4(), user=cast["owner"], email="a@example.com")
    notify(cast["owner"], "draw_lost", about="x", raffle="A", raffle_id="1")
    told = Notification.objects.inbox_of(cast["owner"]).get()
    ids = {"draft": draft().pk, "open": raffle.pk, "purchase": purchase.pk, "identity": linked.pk, "uuid": uuid4()}
    held(on_sale(title="Drawn"), cast["owner"])
    ids["prize"] = Award.objects.filter(pick__purchase__buyer=cast["owner"])[0].prize_id
    ids["favourite"] = keep_favourite(cast["owner"], raffle).raffle_id
    return SimpleNamespace(
        session=session, notification=str(told.pk), **{name: str(number) for name, number in ids.items()}
    )


def _filled(value: Any, world: SimpleNamespace) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, world) for key, item in value.items()}
    return value.format(**vars(world)) if isinstance(value, str) else value


def _ask(row: Row, user: User | None, world: SimpleNamespace, suffix: str = "", *, second_factor: bool = False) -> int:
    """The status, and everything undone again."""
    client = APIClient(raise_request_exception=False)
    with transaction.atomic():
        if user:
            pair = open_session(user, user_agent="", second_factor=second_factor)
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access}")
        headers = {"Idempotency-Key": uuid4().hex}
        path = _filled(row.path, world) + suffix
        response = getattr(client, row.verb)(path, _filled(row.body, world), headers=headers)
        transaction.set_rollback(True)
    return response.status_code


def _of(row: Row) -> dict[str, int]:
    return dict(zip(ROLES, map(int, row.statuses.split()), strict=True))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.verb} {row.path}")
def test_everyone_gets_the_status_of_the_table(row, cast, world, examined):
    assert {role: _ask(row, user, world) for role, user in cast.items()} == _of(row)


BY_ROLE = [row for row in TABLE if any(_of(row)[role] != _of(row)["other"] for role in ROLES[4:])]


@pytest.mark.parametrize("row", BY_ROLE, ids=lambda row: f"{row.verb} {row.path}")
def test_where_staff_need_a_second_factor_a_role_gives_nothing_without_one(row, cast, world, settings):
    settings.STAFF_SECOND_FACTOR = True
    expected = _of(row) | dict.fromkeys(ROLES[4:], _of(row)["other"])
    assert {role: _ask(row, user, world) for role, user in cast.items()} == expected
    assert {role: _ask(row, user, world, second_factor=True) for role, user in cast.items()} == _of(row)


def test_a_trailing_slash_changes_nothing(cast, world):
    actions = [
        row
        for row in TABLE
        if "/api/v1/" in row.path and row.path.rpartition("/")[2] not in {"schema", "docs", "redoc"}
    ]
    for row in actions:
        assert _ask(row, cast["managers"], world, "/") == int(row.statuses.split()[ROLES.index("managers")]), row


# What the views that are no viewsets answer to, where it is not GET.
PAGES = (
    "verify-email",
    "verify-email/resend",
    "confirm-email",
    "reset-password",
    "forgot-password",
    "unsubscribe",
    "export",
    "keep-account",
)
VERBS = {"api/v1/webhooks/stripe": {"post"}, "api/v1/webhooks/mail": {"post"}} | {
    page: {"get", "post"} for page in PAGES
}


def _routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":
                yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback


def test_every_verb_of_every_route_is_in_the_table():
    wanted = set()
    for route, view in _routes(get_resolver().url_patterns):
        verbs = getattr(view, "actions", None) or VERBS.get(route.partition("/(")[0], {"get"})
        wanted |= {(verb, route) for verb in verbs if verb != "head"}
    names = ("draft", "open", "purchase", "session", "identity", "notification", "favourite", "prize", "uuid")
    some = SimpleNamespace(**{name: uuid4() for name in names})
    assert {(row.verb, resolve(_filled(row.path, some)).route) for row in TABLE} == wanted


def _page(model: Any, page: str) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{page}"


# dj-stripe 2.11 overrides a method whose signature Django 6.1 extended.
@pytest.mark.filterwarnings("ignore:Overriding get_actions")
@pytest.mark.parametrize("role", ROLES)
def test_the_back_office_shows_each_role_its_lists_and_nothing_else(role, cast, world):
    client = Client(raise_request_exception=False)
    inside = role in STAFF | {"root"}
    if cast[role]:
        client.force_login(cast[role])
    # Those who may not come in at all are sent to its login.
    assert client.get("/admin/").status_code == (200 if inside else 302)
    for model in admin.site._registry:
        label = model._meta.label
        sees = role == "root" or role in LISTS.get(label, set())
        expected = (200 if sees else 403) if inside else 302
        assert client.get(_page(model, "")).status_code == expected, label
        if label in LISTS and role != "root":
            adds = role in WRITABLE.get((label, "add"), set())
            assert client.get(_page(model, "add/")).status_code == ((200 if adds else 403) if inside else 302), label


# Pages of their own. Only those hear that there is no such pick or claim who were let through to look for it.
PAGES = {f"verification/draw/{{open}}/picks/1/{deed}/": {"managers", "root"} for deed in ("forfeit", "claim")}
PAGES |= {f"verification/claim/1/{page}": {"managers", "root"} for page in ("ask/step/", "documents/1")}


@pytest.mark.parametrize("path", PAGES)
def test_pages_that_do_something_open_to_those_alone_who_may(path, cast, world):
    for role, user in cast.items():
        client = Client(raise_request_exception=False)
        if user:
            client.force_login(user)
        expected = 404 if role in PAGES[path] else 403 if role in STAFF else 302
        for ask in (client.get, client.post):
            assert ask(f"/admin/{_filled(path, world)}").status_code == expected, role


@pytest.mark.filterwarnings("ignore:Overriding get_actions")
@pytest.mark.parametrize("role", ROLES)
def test_where_staff_need_a_second_factor_the_back_office_is_closed_to_all_who_showed_none(role, cast, settings):
    settings.STAFF_SECOND_FACTOR = True
    client = Client(raise_request_exception=False)
    if cast[role]:
        client.force_login(cast[role])
    assert client.get("/admin/").status_code == 302
    for model in admin.site._registry:
        for page in ("", "add/"):
            assert client.get(_page(model, page)).status_code == 302, model._meta.label


def test_every_list_of_the_table_is_registered():
    assert set(LISTS) <= {model._meta.label for model in admin.site._registry}


def test_of_dj_stripes_pages_only_what_staff_may_read_is_left():
    """Among the others are those that show the secret key and redirect Stripe's events."""
    shown = {model.__name__ for model in admin.site._registry if model._meta.app_label == "djstripe"}
    assert shown == {"Customer", "PaymentIntent", "Charge", "Refund", "Dispute", "Event", "WebhookEventTrigger"}
