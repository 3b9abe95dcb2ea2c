"""Endpoints and deliveries in the back office: the services' writes, no secrets but the one asked for."""

import pytest

from accounts.models import User
from luxewin.audit.models import AuditEntry
from luxewin.webhooks import services
from luxewin.webhooks.events import EventType
from luxewin.webhooks.models import Delivery, Endpoint

ENDPOINTS, DELIVERIES = "/admin/webhooks/endpoint/", "/admin/webhooks/delivery/"
ENTERED = {"url": "https://hooks.example/in", "description": "The warehouse", "event_types": ["purchase.paid"]}


@pytest.fixture
def root(person, client):
    user = person("root", is_superuser=True)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def endpoint(person):
    return services.create_endpoint(**ENTERED, actor=person("maker"))


def act(client, page, action, row, **more):
    chosen = {"action": action, "_selected_action": [str(row.pk)]} | more
    return client.post(page, chosen, follow=True).content.decode()


def test_an_endpoint_is_entered_changed_and_shown_without_its_secret(root, client):
    assert client.post(f"{ENDPOINTS}add/", ENTERED).status_code == 302
    endpoint = Endpoint.objects.get()
    (secret,) = services.secrets_of(endpoint)
    page = client.get(f"{ENDPOINTS}{endpoint.pk}/change/").content.decode()
    assert "The warehouse" in page
    assert secret not in page
    assert endpoint.secret not in page
    changed = ENTERED | {"event_types": ["raffle.drawn", "purchase.paid"]}
    assert client.post(f"{ENDPOINTS}{endpoint.pk}/change/", changed).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.event_types == ["purchase.paid", "raffle.drawn"]
    assert services.secrets_of(endpoint) == [secret]
    rows = AuditEntry.objects.filter(action__startswith="webhook_endpoint.").order_by("id")
    assert [(row.action, row.actor) for row in rows] == [
        ("webhook_endpoint.created", root.pk),
        ("webhook_endpoint.changed", root.pk),
    ]


@pytest.mark.parametrize(
    "entered",
    [
        {"url": "http://hooks.example/"},
        {"url": "https://10.0.0.1/"},
        {"url": "https://[::ffff:127.0.0.1]/"},
        {"url": "https://user:pw@hooks.example/"},
        {"event_types": []},
        {"event_types": ["purchase.lost"]},
    ],
)
def test_what_is_no_endpoint_is_named_and_not_entered(entered, root, client):
    page = client.post(f"{ENDPOINTS}add/", ENTERED | entered)
    assert page.status_code == 200
    assert b"errorlist" in page.content
    assert not Endpoint.objects.exists()


def test_the_secret_is_shown_on_demand_and_that_is_audited(endpoint, root, client):
    (secret,) = services.secrets_of(endpoint)
    assert secret in act(client, ENDPOINTS, "show_secret", endpoint)
    assert AuditEntry.objects.get(action="webhook_endpoint.secret_shown").actor == root.pk


def test_rotating_switching_off_and_enabling_take_a_reason(endpoint, root, client):
    for action, status in (("rotate_secret", "active"), ("switch_off", "off"), ("enable", "active")):
        before = AuditEntry.objects.count()
        assert "Reason" in act(client, ENDPOINTS, action, endpoint)
        assert AuditEntry.objects.count() == before
        act(client, ENDPOINTS, action, endpoint, confirmed="1", reason="A test.")
        endpoint.refresh_from_db()
        assert endpoint.status == status
        assert AuditEntry.objects.latest("id").after["reason"] == "A test."
    assert "Not done" in act(client, ENDPOINTS, "enable", endpoint, confirmed="1", reason="Again.")


def test_support_reads_the_log_and_sends_again_and_touches_no_endpoint(endpoint, sam, client):
    services.emit(EventType.PURCHASE_PAID, [("x", {"purchase": "<b>"})])
    Delivery.objects.update(status="failed", answer="<script>")
    delivery = Delivery.objects.get()
    client.force_login(sam)
    page = client.get(f"{DELIVERIES}{delivery.pk}/change/").content.decode()
    assert f"msg_{delivery.event_id.hex}" in page
    assert "&lt;script&gt;" in page
    assert "is queued again" in act(client, DELIVERIES, "replay", delivery, confirmed="1", reason="Lost.")
    assert Delivery.objects.get().status == "queued"
    assert client.post(f"{ENDPOINTS}{endpoint.pk}/change/", ENTERED | {"description": "Mine"}).status_code == 403
    assert client.get(f"{ENDPOINTS}add/").status_code == 403
    act(client, ENDPOINTS, "show_secret", endpoint)
    assert not AuditEntry.objects.filter(action="webhook_endpoint.secret_shown").exists()


def test_managers_see_nothing_of_it(endpoint, mona, client):
    client.force_login(mona)
    assert client.get(ENDPOINTS).status_code == 403


def test_no_endpoint_is_deleted(endpoint, root, client):
    assert client.post(f"{ENDPOINTS}{endpoint.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(DELIVERIES).status_code == 200
