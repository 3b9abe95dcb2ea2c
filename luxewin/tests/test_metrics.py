"""`/metrics`: for Prometheus alone, right in numbers, the same from every process; alert rules name what there is."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.db import DatabaseError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accounts.notifications import notify
from dev.services.processes import free_port
from luxewin.metrics import gauges
from luxewin.tasks.queue import enqueue
from luxewin.tests.asking import HTTP
from luxewin.tests.serving import children, impatient, serving, wait_for
from purchases.models import Purchase, StripeNotice
from purchases.tests.stage import hold

TOKEN = "Fq3vT9dLx2mWk7Rz8HnB4cYs6JpG1aQe"
# Only a server counts these.
OF_SERVERS = {"luxewin_ready_answers_total", "luxewin_refused_requests_total", "luxewin_pool_connections"}
ALERTS = Path(project_settings.BASE_DIR, "deploy/prometheus/alerts.yml")


@pytest.fixture
def token(settings) -> str:
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


def _ask(scheme: str = "Bearer", said: str = TOKEN):
    return Client().get("/metrics", headers={"Authorization": f"{scheme} {said}"})


def _read(text: str | None = None) -> dict[str, float]:
    """Each sample by its name and labels."""
    found = text if text is not None else _ask().content.decode()
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(found)
        for sample in family.samples
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scheme", "said"), [("Bearer", ""), ("Bearer", TOKEN[:-1]), ("Basic", TOKEN), ("Token", TOKEN), ("", "é")]
)
def test_for_nobody_else_is_there_such_a_page(scheme, said, token):
    assert _ask(scheme, said).status_code == 404


@pytest.mark.django_db
def test_without_a_token_there_is_none(settings):
    settings.METRICS_TOKEN = ""
    assert _ask(said="").status_code == _ask(said="x").status_code == 404


@pytest.mark.django_db
def test_gauges_say_what_the_database_has(token, on_sale, alice):
    raffle = on_sale()
    before = _read()
    hold(alice, raffle, quantity=2)
    notify(alice, "password_changed", about=alice.pk)
    enqueue(print, 1)
    StripeNotice.objects.create(object_id="pi_1", about="payment_intent", noted_at=Purchase.objects.get().created_at)
    after = _read()
    for name in ("holds", "messages_open", "tasks_due", "stripe_news"):
        assert after[f"luxewin_{name}"] == before[f"luxewin_{name}"] + 1, name
    assert after["luxewin_stripe_news_seconds"] >= 0
    assert after["luxewin_draws state=promised"] == 1
    assert after["luxewin_unread_gauges"] == 0


@pytest.mark.django_db
def test_a_gauge_that_cannot_be_read_hides_no_other(token, monkeypatch):
    def broken() -> float:
        raise DatabaseError("a statement timed out")

    monkeypatch.setattr(gauges, "GAUGES", [gauges.Gauge("broken", "Broken.", broken), *gauges.GAUGES])
    found = _read()
    assert found["luxewin_unread_gauges"] == 1
    assert "luxewin_holds" in found


@pytest.mark.django_db
def test_requests_are_counted_by_what_no_client_chooses(token):
    before = _read()
    Client().get("/api/v1/raffles/list")
    Client().generic("PWN", "/health/live")
    Client().get("/nothing/here")
    found = _read()
    grown = {name for name, value in found.items() if value > before.get(name, 0) and "requests_total" in name}
    assert {
        "luxewin_requests_total method=GET status=200 view=raffles-list",
        "luxewin_requests_total method=other status=405 view=health-live",
        "luxewin_requests_total method=GET status=404 view=none",
    } <= grown
    assert found["luxewin_request_seconds_count view=raffles-list"] >= 1


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_all_processes_of_a_server_add_up_also_those_that_are_gone():
    port = free_port()
    headers, live = {"Authorization": f"Bearer {TOKEN}"}, f"http://127.0.0.1:{port}/health/live"

    def asked() -> float:
        found = _read(HTTP.get(f"http://127.0.0.1:{port}/metrics", headers=headers).raise_for_status().text)
        return found.get("luxewin_requests_total method=GET status=200 view=health-live", 0)

    with serving(port, impatient(port, 2), METRICS_TOKEN=TOKEN) as server:
        before = asked()
        for _ in range(20):
            HTTP.get(live).raise_for_status()
        assert asked() == before + 20
        folder = _folder(server)
        assert folder.is_dir()
        # Whoever of the two counted them.
        for child in children(server):
            child.kill()
            wait_for(lambda pid=child.pid: pid not in {each.pid for each in children(server)})  # type: ignore[misc]
        wait_for(lambda: len(children(server)) == 2)
        assert asked() >= before + 20
    assert not folder.exists()


def _folder(server: subprocess.Popen[bytes]) -> Path:
    """Where the children of this server count."""
    # A child that answered nothing yet has no file there.
    files = (Path(each.path) for child in children(server) for each in child.memory_maps())
    return next(file.parent for file in files if file.parent.name.startswith("luxewin-counts-"))


@pytest.mark.django_db
def test_alert_rules_and_dashboard_name_what_there_is(token):
    names = {name.split(" ")[0] for name in _read()}
    for file in (ALERTS, ALERTS.with_name("dashboard.json")):
        used = set(re.findall(r"\bluxewin_\w+", file.read_text()))
        assert used
        assert used <= names | OF_SERVERS
