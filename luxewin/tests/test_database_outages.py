"""A database that only reads, is full, locked or away: 503 with Retry-After everywhere, and no restart afterwards."""

from contextlib import closing

import psycopg
import pytest
from django.core.cache import caches
from django.db import DatabaseError, InternalError, OperationalError, connection, transaction
from django.test import Client

from accounts.models import User
from luxewin.api.problems import CONTENT_TYPE
from luxewin.database import CROWDED, FULL, LOCKED, READS_ONLY, SILENT, STOPPED, outage

PASSWORD = "plain Horse, 7 staples"


def _refused(response) -> None:
    assert response.status_code == 503, response.content
    assert int(response["Retry-After"]) >= 1


@pytest.fixture
def staff(person, settings) -> User:
    settings.STAFF_SECOND_FACTOR = False
    user = person("fiona", role="finance")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False, headers={"accept": "text/html,*/*"})


def test_the_api_says_503_and_keeps_reading(api, alice, on_sale, new_key, read_only_database):
    raffle, client = on_sale(), api(alice)
    read_only_database.begin()
    body = {"raffle": str(raffle.pk), "quantity": 1}
    response = client.post("/api/v1/purchases/create", body, headers=new_key())
    _refused(response)
    assert response["Content-Type"] == CONTENT_TYPE
    assert response.json()["code"] == "unavailable"
    connection.close()
    assert client.get("/api/v1/raffles/list").status_code == 200
    assert client.get("/api/v1/users/profile").status_code == 200


def test_the_back_office_shows_a_page_and_keeps_reading(staff, browser, on_sale, read_only_database):
    on_sale()
    browser.force_login(staff)
    read_only_database.begin()
    assert browser.get("/admin/purchases/purchase/").status_code == 200
    connection.close()
    # Signing out and in write sessions; the second is what Django makes "400, your session was deleted" of.
    for response in (
        browser.post("/admin/logout/"),
        Client(raise_request_exception=False, headers={"accept": "text/html"}).post(
            "/admin/login/", {"username": staff.email, "password": PASSWORD}
        ),
    ):
        _refused(response)
        assert response["Content-Type"].startswith("text/html")
        assert "Temporarily unavailable" in response.content.decode()
        connection.close()


def test_a_session_that_cannot_be_stored_is_503_not_400(staff, browser, read_only_database, settings):
    browser.force_login(staff)
    read_only_database.begin()
    # Stored with every request, so that reading pages meets it too.
    settings.SESSION_SAVE_EVERY_REQUEST = True
    _refused(browser.get("/admin/"))


def test_what_needs_no_database_is_served(browser, read_only_database):
    read_only_database.begin()
    for path in ("/health/live", "/", "/static/luxewin/site.css", "/.well-known/jwks.json", "/api/v1/docs"):
        with closing(browser.get(path)) as response:
            assert response.status_code == 200, path


def test_without_redis_requests_that_cannot_be_counted_are_refused(api, settings, closed_port, read_only_database):
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{closed_port}/0"}
    }
    read_only_database.begin()
    response = api().post("/api/v1/auth/login", {"email": "a@example.com", "password": PASSWORD})
    _refused(response)
    caches.close_all()


def test_the_thread_s_next_query_goes_through_a_new_connection(api, alice, on_sale, new_key, read_only_database):
    raffle, client = on_sale(), api(alice)
    # This session was opened to what is now the demoted primary; a pool would keep it for an hour.
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    body, key = {"raffle": str(raffle.pk), "quantity": 1}, new_key()
    _refused(client.post("/api/v1/purchases/create", body, headers=key))
    assert client.post("/api/v1/purchases/create", body, headers=key).status_code == 201


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("25006", READS_ONLY),
        ("25P03", SILENT),
        ("53100", FULL),
        ("53300", CROWDED),
        ("55P03", LOCKED),
        ("40P01", LOCKED),
        ("57014", STOPPED),
        ("57P01", SILENT),
        ("57P03", SILENT),
        ("58030", SILENT),
        ("23505", None),
        ("22003", None),
        ("42601", None),
    ],
)
def test_each_state_of_the_database_is_told_from_faults_of_a_statement(db, state, found):
    # Raised by PostgreSQL itself, so that the classes are psycopg's and Django's own.
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{state}'; END $$")
    assert outage(caught.value) is found


def test_an_error_without_a_state_is_silence_if_it_is_of_the_connection():
    wrapped = OperationalError("gone")
    wrapped.__cause__ = psycopg.OperationalError("gone")
    assert outage(wrapped) is SILENT
    assert outage(InternalError("ours")) is None
    assert outage(ValueError("ours")) is None
    assert outage(None) is None
