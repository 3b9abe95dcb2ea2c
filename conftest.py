"""The cast and the stage of every test. The parts themselves are started by `dev.services.pytest_plugin`."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import django_ratelimit.core
import hypothesis
import pytest
import stripe
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.db import connection
from django.db.models import QuerySet
from django.db.models.signals import post_save
from django.test import TransactionTestCase
from django.utils import timezone
from django.utils.module_loading import import_string
from djstripe.models import WebhookEndpoint
from rest_framework.settings import api_settings
from rest_framework.test import APIClient

from accounts.models import Preferences, User
from accounts.passwords import Argon2Hasher
from accounts.tokens import open_session
from luxewin import clock
from luxewin.api import problems
from luxewin.api.refusals import refusals_of
from luxewin.health.probes import EXAMINER
from raffles import services as raffle_services
from raffles.models import Raffle
from verification import clients, manifest

# A machine that is busy with other work is no fault of what is tested.
hypothesis.settings.register_profile(
    "busy", hypothesis.settings.default, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

# Deletes instead of truncating: that takes 11 ms instead of 170 and more, as a TRUNCATE gives each table, and all those
# that point at it, new files for itself and for each of its indexes.
EMPTY = """
DO $$ DECLARE
    kept CONSTANT text[] := ARRAY['auth_group', 'auth_group_permissions', 'auth_permission', 'django_content_type',
        'django_migrations', 'accounts_retentionrule', 'purchases_lapsewait'];
    name regclass; filled regclass[]; guarded regclass[]; has_rows boolean;
BEGIN
    FOR name IN SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> ALL (kept)
        -- Most were never written to, and this says so at less cost than a query of each.
        AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO has_rows;
        IF has_rows THEN filled := filled || name; END IF;
    END LOOP;
    IF filled IS NOT NULL THEN
        -- 8: it runs at a DELETE.
        guarded := ARRAY(SELECT DISTINCT tgrelid FROM pg_trigger
            WHERE NOT tgisinternal AND tgtype & 8 <> 0 AND tgrelid = ANY (filled));
        FOREACH name IN ARRAY guarded LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', name); END LOOP;
        FOREACH name IN ARRAY filled LOOP EXECUTE format('DELETE FROM %s', name); END LOOP;
        -- The checks of foreign keys are due before a table can be altered.
        SET CONSTRAINTS ALL IMMEDIATE;
        FOREACH name IN ARRAY guarded LOOP EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', name); END LOOP;
    END IF;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence
        JOIN pg_depend ON objid = seqrelid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
        JOIN pg_class ON pg_class.oid = refobjid
        WHERE relnamespace = 'public'::regnamespace AND relname <> ALL (kept)
        AND pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any) -> str:
    """Test databases are copies of the ready schema instead of running every migration."""
    from dev.schema import ensure_template

    with django_db_blocker.unblock():
        connection.settings_dict["TEST"] |= {"TEMPLATE": ensure_template(), "MIGRATE": False}
        # Copying a database, and dropping it, is what a busy machine may take its time over.
        limits = connection.settings_dict["OPTIONS"].pop("options")
        connection.close()
    return limits


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_modify_db_settings: str, django_db_blocker: Any) -> Iterator[None]:
    """The first test begins as those after one with real commits: without the audit of what migrations granted."""
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict["OPTIONS"] |= {"options": django_db_modify_db_settings}
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)
    yield
    # Dropping it may take its time too.
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict["OPTIONS"].pop("options")


#: The webhook endpoints that the test under way registered at Stripe.
ENDPOINTS: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def endpoints_are_noted() -> None:
    """For `pytest_runtest_teardown`."""

    def note(instance: WebhookEndpoint, created: bool, **_: Any) -> None:
        if created:
            ENDPOINTS.append(instance.id)

    post_save.connect(note, sender=WebhookEndpoint, weak=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Unregister endpoints, once every patch is taken back: Stripe would send every event of every later test there."""
    yield
    while ENDPOINTS:
        with suppress(stripe.StripeError):
            stripe.WebhookEndpoint.delete(ENDPOINTS.pop())


@pytest.fixture(scope="session", autouse=True)
def empty_after_commits() -> Iterator[None]:
    """Empties the database after a test with real commits, but for what migrations wrote.

    Django's own way empties all tables, at which triggers stop it, as they should.
    """

    def empty(case: TransactionTestCase) -> None:
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture(scope="session", autouse=True)
def measured_clock() -> Iterator[None]:
    """No test's count of queries depends on when this process last measured its clock; tests of that do it anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "KEPT_SECONDS", float("inf"))
        patch.setattr(clock, "_last", clock.Offset(0.0, 0.0, time.time(), time.monotonic()))
        yield


@pytest.fixture(scope="session", autouse=True)
def light_passwords() -> Iterator[None]:
    """Argon2 takes its memory and time on purpose; no test is about how much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Argon2Hasher, "memory_cost", 8)
        yield


@pytest.fixture(scope="session", autouse=True)
def refusals_are_described() -> Iterator[None]:
    """Every refusal that a test gets from an operation is among those that the API's document has for it."""
    answer, standard = api_settings.EXCEPTION_HANDLER, set(problems.document(0, "", "", ""))

    def checked(error: Exception, context: dict[str, Any]) -> Any:
        response, view = answer(error, context), context["view"]
        if response is not None and hasattr(view, getattr(view, "action", None) or ""):
            described = refusals_of(view, context["request"].method, in_path=bool(context["kwargs"]), has_key=True)
            members = {(each.status, each.code): each.members.keys() for each in described}
            given = (response.status_code, response.data["code"])
            if response.data.keys() - standard - {"errors"} != members.get(given):
                pytest.fail(f"{type(view).__name__}.{view.action}: declare {given} with @refuses, and its members")
        return response

    api_settings.EXCEPTION_HANDLER = checked
    yield
    api_settings.EXCEPTION_HANDLER = answer


@pytest.fixture(autouse=True)
def clean_cache() -> None:
    """Rate limits of one test are not another's."""
    caches["default"].clear()


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rate limits a minute or an hour count as in one that does not end while the test runs, however long it takes."""
    for unit in "mh":
        monkeypatch.setitem(django_ratelimit.core._PERIODS, unit, 10**9)  # noqa: SLF001 (no setting says it)


@pytest.fixture(autouse=True)
def no_examiner() -> Iterator[None]:
    """The threads that a look at the health starts end with the test."""
    yield
    EXAMINER.stop()


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(autouse=True)
def no_chain(settings: Any) -> Iterator[None]:
    """Draws are not anchored unless a test asks for `anchored`; they can be as quick as on any development chain.

    A verifier does not accept such a draw: tests that ask one anchor theirs.
    """
    urls = settings.CHAIN_RPC_URLS
    settings.CHAIN_RPC_URLS = []
    settings.DRAW_DELAY_SECONDS = 1
    clients.chain.cache_clear()
    with pytest.MonkeyPatch.context() as patch:  # of its own: a test may undo its patches
        patch.setattr(manifest, "MIN_DELAY", 1)
        patch.setattr(manifest, "MIN_VOID_DELAY", 1)
        yield
    settings.CHAIN_RPC_URLS = urls
    clients.chain.cache_clear()


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Makes a person: `person("alice")`, `person("mona", role="raffle managers")`, `person("c", verified=False)`."""

    def make(name: str, *, verified: bool = True, role: str = "", **fields: Any) -> User:
        user = User(
            email=f"{name}@example.com",
            display_name=name.title(),
            date_of_birth=date(1990, 1, 1),
            country="GB",
            email_verified_at=timezone.now() if verified else None,
            password_proven=verified,
            is_staff=bool(role),
            **fields,
        )
        # Who needs to sign in with a password sets one.
        user.set_unusable_password()
        user.save()
        Preferences.objects.create(user=user)
        if role:
            user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def alice(person: Callable[..., User]) -> User:
    """Buys."""
    return person("alice")


@pytest.fixture
def bob(person: Callable[..., User]) -> User:
    """Buys too, and sees nothing of Alice's."""
    return person("bob")


@pytest.fixture
def charlie(person: Callable[..., User]) -> User:
    """Registered, but never opened the link in the mail."""
    return person("charlie", verified=False)


@pytest.fixture
def mona(person: Callable[..., User]) -> User:
    """Manages raffles."""
    return person("mona", role="raffle managers")


@pytest.fixture
def fiona(person: Callable[..., User]) -> User:
    """Does the finances."""
    return person("fiona", role="finance")


@pytest.fixture
def sam(person: Callable[..., User]) -> User:
    """Supports people."""
    return person("sam", role="support")


@pytest.fixture
def audrey(person: Callable[..., User]) -> User:
    """Audits: reads everything, writes nothing."""
    return person("audrey", role="auditors")


@pytest.fixture
def people(person: Callable[..., User]) -> Callable[[int], list[User]]:
    """Makes so many buyers."""
    return lambda count: [person(f"buyer{number}") for number in range(count)]


@pytest.fixture
def api() -> Callable[..., APIClient]:
    """A client of the API: `api()` for anyone, `api(alice)` with her access token."""

    def make(user: User | None = None) -> APIClient:
        client = APIClient()
        if user:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user, user_agent='test').access}")
        return client

    return make


@pytest.fixture
def terms() -> Callable[..., dict[str, Any]]:
    """Terms of a raffle as `raffles.services.create_raffle` takes them."""

    def make(**changes: Any) -> dict[str, Any]:
        now = timezone.now()
        values = {
            "title": "A fine watch",
            "category": Raffle.Category.WATCH,
            "ticket_price": 500,
            "currency": "gbp",
            "capacity": 100,
            "opens_at": now - timedelta(minutes=1),
            "closes_at": now + timedelta(days=1),
            "conditions": "Adults only.",
            "delay_seconds": 3,
            "prizes": [{"name": "The watch"}, {"name": "Its box"}],
        } | changes
        values.setdefault("max_per_person", min(50, values["capacity"] or 50))
        if isinstance(values["opens_at"], datetime):
            # So early, because many a test moves the end of its sale; letters have no time of day.
            route = {"instructions": "Write to us.", "until": values["opens_at"] + timedelta(seconds=1)}
            values.setdefault("free_route", route)
        return values

    return make


@pytest.fixture
def draft(db: None, terms: Callable[..., dict[str, Any]]) -> Callable[..., Raffle]:
    """Makes a draft."""
    return lambda **changes: raffle_services.create_raffle(**terms(**changes))


@pytest.fixture
def on_sale(draft: Callable[..., Raffle]) -> Callable[..., Raffle]:
    """Makes a published raffle, open unless its dates say otherwise."""
    return lambda **changes: raffle_services.publish_raffle(draft(**changes).pk)


@pytest.fixture
def new_key() -> Callable[[], dict[str, str]]:
    """A fresh Idempotency-Key, as headers for the client."""
    return lambda: {"Idempotency-Key": uuid4().hex}


@pytest.fixture
def run_tasks() -> Callable[[], int]:
    """Runs what is due and what is queued, as a worker would, until nothing is left; returns how many tasks ran."""
    from django_q.models import OrmQ

    from luxewin.tasks import sweeps

    def run() -> int:
        count = 0
        while True:
            for entry in sweeps.SWEEPS:
                entry.run()
            if not (ran := _run_queued()):
                return count
            count += ran

    def _run_queued() -> int:
        count = 0
        while queued := OrmQ.objects.order_by("id").first():
            task = queued.task
            queued.delete()
            import_string(task["func"])(*task["args"])
            count += 1
        return count

    return run


@pytest.fixture
def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a row to change it reads it as it was, and keeps nobody from it."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_: self.all())
