"""Where webhooks may go: nowhere private, however the address is written and whatever the resolver says later."""

import socket
from ipaddress import ip_address, ip_network

import pytest
from django.core.exceptions import ValidationError

from luxewin.tests.receiving import make_certificate, receiving
from luxewin.webhooks import addresses
from luxewin.webhooks.addresses import AddressRefused, is_allowed, resolve, validate_endpoint_url
from luxewin.webhooks.client import Client

PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
]
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
# What the system's resolver reads as 127.0.0.1 or another of ours.
SPELLINGS = ["2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "127.0.1", "localhost", "::ffff:7f00:1"]


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    file = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@pytest.mark.parametrize("address", PRIVATE)
def test_nothing_is_sent_to_a_private_address(address):
    assert not is_allowed(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_sent_to(address):
    assert is_allowed(ip_address(address))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelling_is_judged_by_what_it_leads_to(spelling):
    with pytest.raises(AddressRefused, match="which is private"):
        resolve(spelling, 443)


def test_a_network_that_the_operator_names_may_be_sent_to_and_metadata_never(settings):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("10.1.0.0/16"), ip_network("169.254.0.0/16")]
    assert is_allowed(ip_address("10.1.2.3"))
    assert is_allowed(ip_address("::ffff:10.1.2.3"))
    assert not is_allowed(ip_address("10.2.0.1"))
    assert not is_allowed(ip_address("169.254.169.254"))


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    found = [(0, 0, 0, "", ("93.184.215.14", 443)), (0, 0, 0, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(AddressRefused, match=r"leads to 10\.0\.0\.1"):
        resolve("hooks.example", 443)


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "https://user@hooks.example/", "https://user:pw@hooks.example/", "ftp://a.example/"),
        *("https://hooks.example/#a", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/"),
        *(
            "https://hooks.example\\@10.0.0.1/",
            "https://a b.example/",
            "https://",
            "hooks.example",
            "https://ⓛocalhost/",
        ),
        *("https://169.254.169.254/latest/meta-data", "javascript:alert(1)", "https://a.example:0/", "https://[::1"),
    ],
)
def test_an_endpoint_is_an_https_address_without_user_and_fragment(url):
    with pytest.raises(ValidationError):
        validate_endpoint_url(url)


@pytest.mark.parametrize(
    "url", ["https://hooks.example/a?b=c", "https://hooks.example:8443/", "https://93.184.215.14/"]
)
def test_other_https_addresses_are_taken(url):
    validate_endpoint_url(url)


def test_what_was_checked_is_what_is_connected_to_when_the_answer_of_the_resolver_changes(
    settings, certificate, monkeypatch
):
    """A name that leads to an allowed address when it is checked, and into our network when it is connected to."""
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.2/32")]
    asked = []

    def changing(host, port, **kwargs):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2" if len(asked) == 1 else "127.0.0.1", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", changing)
    with receiving(certificate, "127.0.0.2") as allowed, receiving(certificate, "127.0.0.1", allowed.port) as trap:
        url = f"https://hooks.example:{allowed.port}/hook"
        with Client(url) as client:
            assert client.post(b"{}", {"webhook-id": "1"}).status == 204
            assert client.post(b"{}", {"webhook-id": "2"}).status == 204
        with Client(url) as client:
            answer = client.post(b"{}", {"webhook-id": "3"})
        assert "leads to 127.0.0.1, which is private" in answer.error
        assert (allowed.ids, trap.ids, asked) == (["1", "2"], [], ["hooks.example"] * 2)


def test_a_socket_is_checked_once_more_whatever_the_check_before_said(settings, certificate, monkeypatch):
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    monkeypatch.setattr("luxewin.webhooks.client.resolve", lambda host, port: ["127.0.0.1"])
    with receiving(certificate) as trap, Client(f"https://hooks.example:{trap.port}/") as client:
        assert "127.0.0.1 is private" in client.post(b"{}", {"webhook-id": "1"}).error
        assert trap.requests == []


def test_ipv6_is_reached_where_it_is_allowed(settings, certificate):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    with Client("https://[::1]:1/") as client:
        assert "::1, which is private" in client.post(b"{}", {}).error


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status, settings, certificate):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    with receiving(certificate) as receiver, receiving(certificate) as trap:
        receiver.answer, receiver.headers = (lambda _: status), {"Location": trap.url}
        with Client(receiver.url) as client:
            answer = client.post(b"{}", {"webhook-id": "1"})
        assert (answer.status, answer.is_success, trap.requests) == (status, False, [])
        assert "redirects, which is not followed" in answer.error


def test_no_proxy_of_the_environment_connects_for_us(settings, certificate, monkeypatch, closed_port):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    with receiving(certificate) as receiver, Client(receiver.url) as client:
        assert client.post(b"{}", {"webhook-id": "1"}).is_success


def test_who_cannot_show_a_certificate_gets_nothing(settings, tmp_path):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    with receiving(make_certificate(tmp_path)) as receiver, Client(receiver.url) as client:
        answer = client.post(b"{}", {"webhook-id": "1"})
        assert (answer.status, receiver.requests) == (None, [])
        assert "certificate" in answer.error


def test_of_a_long_answer_the_beginning_is_kept(settings, certificate):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    with receiving(certificate) as receiver:
        receiver.answer, receiver.content = (lambda _: 200), b"x" * 2_000_000
        with Client(receiver.url) as client:
            answer = client.post(b"{}", {"webhook-id": "1"})
        assert (answer.is_success, answer.content) == (True, "x" * 500)
