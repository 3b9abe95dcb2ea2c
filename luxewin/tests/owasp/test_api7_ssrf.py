"""API7, server side request forgery: no address that a client writes is asked, and no outside party sends us on.

The one address that the API takes is a picture's, which browsers fetch. Where the outside parties are is the operator's
setting; what is tried is that one of them answers with a redirect into our own network.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
import stripe

from accounts.passwords import _is_breached
from luxewin.tests.asking import client_of
from luxewin.tests.owasp.surface import ask, operations, resolved
from purchases.gateway.curl import CurlClient
from verification.beacon import QUICKNET, BeaconClient, BeaconUnavailable
from verification.chain import Chain
from verification.chain_types import ChainUnavailable
from verification.tests.servers import serving

ADDRESSES = ("uri", "url", "hostname", "ipv4", "ipv6")
NAMES = ("url", "uri", "link", "href", "host", "webhook", "callback", "redirect", "next", "domain", "image")


def _addresses() -> set[tuple[str, str]]:
    """What the document takes that is an address, or is named like one."""
    found = set()
    for operation in operations():
        taken = operation.takes | {each["name"]: each["schema"] for each in operation.facts.get("parameters", [])}
        for name, schema in taken.items():
            if resolved(schema).get("format") in ADDRESSES or any(word in name.lower() for word in NAMES):
                found.add((operation.name, name))
    return found


def test_a_picture_s_is_the_only_address_that_the_api_takes():
    assert _addresses() == {("POST raffles/create", "image_url"), ("PATCH raffles/{id}", "image_url")}


@contextmanager
def _trap() -> Iterator[tuple[str, list[str]]]:
    """A server inside our network, and what it was asked."""
    heard: list[str] = []

    def serve(request: BaseHTTPRequestHandler) -> None:
        heard.append(f"{request.command} {request.path}")
        request.send_response(200)
        request.end_headers()

    with serving(serve) as url:
        yield url, heard


@pytest.mark.parametrize("field", ["image_url", "title", "description", "slug"])
def test_no_address_that_a_manager_writes_is_asked(field, mona, terms, run_tasks):
    with _trap() as (url, heard):
        body = {**terms(), "delay_seconds": 60, "opens_at": "2099-01-01T00:00:00Z", "closes_at": "2099-01-02T00:00:00Z"}
        body["free_route"] = None
        made = ask(client_of(mona), "post", "/api/v1/raffles/create", body | {field: f"{url}/latest/meta-data"})
        if field in {"slug", "image_url"}:
            assert made.status_code == 400
            return
        raffle = made.json()
        assert client_of(mona).post(f"/api/v1/raffles/{raffle['id']}/publish").status_code == 200
        client_of().get(f"/api/v1/raffles/{raffle['id']}")
        client_of().get(f"/verify/{raffle['id']}")
        run_tasks()
    assert heard == []


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "gopher://a/", "//a/b", "https://[::1]/"],
)
def test_a_picture_s_address_is_of_the_public_web(address, mona, draft):
    """Pages and mails show it; raffles/tests/test_image_url.py has more of them."""
    answer = client_of(mona).patch(f"/api/v1/raffles/{draft().pk}", {"image_url": address})
    assert answer.status_code == 400


STATUSES = (301, 302, 303, 307, 308)


@pytest.fixture(params=STATUSES)
def redirecting(request) -> Iterator[tuple[str, list[str]]]:
    """An outside party that sends everyone on to a server inside our network, and what that one was asked."""
    with _trap() as (inside, heard):

        def serve(asked: BaseHTTPRequestHandler) -> None:
            asked.send_response(request.param)
            asked.send_header("Location", f"{inside}/secret")
            asked.send_header("Content-Length", "0")
            asked.end_headers()

        with serving(serve) as url:
            yield url, heard


def test_a_relay_of_the_beacon_sends_us_nowhere(redirecting):
    url, heard = redirecting
    with pytest.raises(BeaconUnavailable):
        BeaconClient(QUICKNET, [url], timeout=60).fetch(42)
    assert heard == []


def test_a_node_of_the_chain_sends_us_nowhere(redirecting):
    """With 307 and 308, a signed transaction would go along."""
    url, heard = redirecting
    with pytest.raises(ChainUnavailable):
        Chain([url], 31337, operator_key="").head()
    assert heard == []


def test_the_list_of_breached_passwords_sends_us_nowhere(redirecting, settings):
    url, heard = redirecting
    settings.BREACHED_PASSWORDS_URL = url
    assert not _is_breached("correct horse battery staple")
    assert heard == []


def test_stripe_sends_us_nowhere(redirecting, monkeypatch):
    """The secret key would go along."""
    url, heard = redirecting
    monkeypatch.setattr(stripe, "api_base", url)
    with pytest.raises(stripe.StripeError):
        stripe.PaymentIntent.retrieve("pi_x")
    assert isinstance(stripe.default_http_client, CurlClient)
    assert heard == []


def test_the_trap_hears_whoever_follows(redirecting):
    """It can fail: a client that follows is heard."""
    url, heard = redirecting
    httpx.get(url, follow_redirects=True)
    assert heard == ["GET /secret"]


def test_what_is_asked_about_a_password_is_no_address_of_a_client_s(settings):
    """Five hexadecimal digits, whatever the password."""
    with _trap() as (url, heard):
        settings.BREACHED_PASSWORDS_URL = url
        _is_breached("../../latest/meta-data?x=@evil.example/")
    digest = hashlib.sha1(b"../../latest/meta-data?x=@evil.example/").hexdigest().upper()
    assert heard == [f"GET /range/{digest[:5]}"]
