"""Mails by a provider's interface instead of SMTP, and what the provider says became of them."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator

import pytest

from accounts import services
from accounts.models import BlockedAddress, Notification
from accounts.notifications import notify
from accounts.tasks import deliver_notification
from dev.services.web import Answers, Server
from luxewin.mail_providers import PROVIDERS, mailer_of, provider_of

pytestmark = pytest.mark.django_db
EVENTS = "/api/v1/webhooks/mail"
SECRET = "mail:a-password-that-nobody-guesses"
LOST = {"raffle": "A fine watch", "raffle_id": "7"}


class Postmark(Answers):
    """Answers as Postmark's documentation says of `POST /email`."""

    sent: list[dict] = []

    def do_POST(self) -> None:  # noqa: N802 (its name there)
        mail = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.sent.append(mail)
        if self.headers["X-Postmark-Server-Token"] != "the-key":
            self.answer(401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"})
            return
        said = {"To": mail["To"], "SubmittedAt": "2026-12-01T00:00:00Z", "MessageID": "pm-1", "ErrorCode": 0}
        self.answer(200, said | {"Message": "OK"})


@pytest.fixture
def postmark(settings) -> Iterator[list[dict]]:
    """The provider, in a thread, and configured; the value is what was sent."""
    Postmark.sent = []
    server = Server(0, Postmark)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"postmark://the-key@?api_url=http://127.0.0.1:{server.server_port}/"
    settings.MAILERS, settings.MAIL_PROVIDER = {"default": mailer_of(url)}, provider_of(url)
    settings.MAIL_WEBHOOK_SECRET = SECRET
    yield Postmark.sent
    server.shutdown()
    server.server_close()


def _sent(user) -> Notification:
    notify(user, "draw_lost", about="x", **LOST)
    told = Notification.objects.mails().get(user=user)
    deliver_notification(str(told.pk))
    told.refresh_from_db()
    return told


def _hear(client, event, secret: str = SECRET):
    headers = {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"}
    body = event if isinstance(event, str) else json.dumps(event)
    return client.post(EVENTS, body, content_type="application/json", headers=headers)


def _event(mail: dict, record: str = "Delivery", **facts) -> dict:
    when = {"Delivery": "DeliveredAt", "Bounce": "BouncedAt"}.get(record, "ReceivedAt")
    return {
        "RecordType": record, "MessageID": "pm-1", "Recipient": mail["To"], "Email": mail["To"],
        when: "2026-12-01T00:00:01Z", "Metadata": mail["Metadata"], **facts,
    }  # fmt: skip


def _bounce(mail: dict) -> dict:
    return _event(mail, "Bounce", Type="HardBounce", Description="No such user", Details="550", ID=1, TypeCode=1)


def test_a_mail_goes_to_the_provider_with_its_headers_and_both_its_forms(alice, postmark):
    told = _sent(alice)
    assert (told.status, told.answer) == ("accepted", "pm-1")
    (mail,) = postmark
    headers = {each["Name"]: each["Value"] for each in mail["Headers"]}
    assert headers["Message-ID"] == f"<{told.pk}@luxewin.example>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "<h1" in mail["HtmlBody"]
    assert "did not win" in mail["TextBody"]


def test_a_provider_that_refuses_the_key_is_a_failure_like_any_other(alice, postmark, settings):
    settings.MAILERS["default"]["OPTIONS"]["server_token"] = "wrong"
    told = _sent(alice)
    assert (told.status, "401" in told.error) == ("queued", True)


def test_what_arrived_is_delivered_and_what_bounced_has_failed(alice, bob, postmark, client):
    arrived, bounced = _sent(alice), _sent(bob)
    for event in (_event(postmark[0]), _event(postmark[0]), _bounce(postmark[1]), _event(postmark[1])):
        assert _hear(client, event).status_code == 200
    arrived.refresh_from_db()
    bounced.refresh_from_db()
    assert (arrived.status, arrived.text != "") == ("delivered", True)
    assert bounced.status == "failed"
    assert "bounced" in bounced.error
    assert "No such user" in bounced.error
    assert list(BlockedAddress.objects.values_list("user", "because", "detail")) == [
        (bob.pk, "bounced", "bounced bounced No such user")
    ]


def test_a_full_mailbox_is_not_blocked_and_one_that_complains_is(alice, bob, postmark, client):
    for each in (alice, bob):
        _sent(each)
    assert _hear(client, _bounce(postmark[0]) | {"Type": "SoftBounce"}).status_code == 200
    assert _hear(client, _event(postmark[1], "SpamComplaint", BouncedAt="2026-12-01T00:00:01Z")).status_code == 200
    assert list(BlockedAddress.objects.values_list("user", "because")) == [(bob.pk, "complained")]
    assert Notification.objects.mails().get(user=bob).status == "accepted"


def test_an_event_that_comes_before_the_answer_is_kept_with_what_was_written(alice, postmark, client, monkeypatch):
    monkeypatch.setattr("accounts.channels.mail.answer_of", lambda _: _hear(client, _event(postmark[0])) and "pm-1")
    told = _sent(alice)
    assert (told.status, told.answer, told.recipient) == ("delivered", "pm-1", alice.email)


def test_the_outcome_of_an_earlier_sending_is_no_news(alice, sam, postmark, client):
    told = _sent(alice)
    services.send_again(told.pk, reason="r", actor=sam)
    deliver_notification(str(told.pk))
    _hear(client, _bounce(postmark[0]))
    told.refresh_from_db()
    assert told.status == "accepted"
    _hear(client, _event(postmark[1]))
    told.refresh_from_db()
    assert told.status == "delivered"


def test_other_events_and_other_mails_change_nothing(alice, postmark, client):
    told = _sent(alice)
    for event in (
        _event(postmark[0], "Open"),
        _event(postmark[0], Metadata={}),
        _event(postmark[0], Metadata={"sending": "x"}),
        _event(postmark[0], Metadata={"sending": f"{'0' * 36}.0"}),
        _event(postmark[0], Metadata={"sending": "00000000-0000-0000-0000-000000000000.0"}),
    ):
        assert _hear(client, event).status_code == 200
    told.refresh_from_db()
    assert told.status == "accepted"


@pytest.mark.parametrize(
    "body", ["", "x", "5", "null", "[]", "{}", '{"RecordType":5}', '{"RecordType":"Delivery","DeliveredAt":5}', "\0"]
)
def test_what_is_no_event_is_refused_or_left(body, postmark, client):
    assert _hear(client, body).status_code in {200, 400}


def test_nobody_is_heard_without_the_password_or_where_there_is_no_provider(alice, postmark, client, settings):
    told = _sent(alice)
    assert _hear(client, _event(postmark[0]), "mail:wrong").status_code == 401
    assert client.post(EVENTS, "{}", content_type="application/json").status_code == 401
    assert client.get(EVENTS).status_code == 405
    assert _hear(client, " " * 300_000).status_code == 413
    settings.MAIL_PROVIDER = ""
    assert _hear(client, _event(postmark[0])).status_code == 404
    told.refresh_from_db()
    assert told.status == "accepted"


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_named_by_the_address(name):
    url = f"{name}://a%2Fkey@?api_url=https://eu.example.com/"
    mailer = mailer_of(url)
    assert provider_of(url) == name
    assert mailer["OPTIONS"] == {PROVIDERS[name].key: "a/key", "api_url": "https://eu.example.com/"}
    assert provider_of("smtp://127.0.0.1:25") == ""
