"""`manage.py doctor`: nothing that is wrong is missing on its page, and nothing else is on it."""

import re
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.core.management import call_command
from django.db import connections
from django.db.models.functions import Now

from luxewin import settings as configured
from luxewin.metrics.gauges import GAUGES
from luxewin.tasks.models import Heartbeat
from purchases.models import StripeNotice

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def healthy(settings) -> None:
    Heartbeat.beat("test")
    # Django's test runner would keep the mails to itself.
    settings.MAILERS = configured.MAILERS
    # Variables of the test run that the product does not read.
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "luxewin.W001"]


def doctor() -> tuple[int, str]:
    said = StringIO()
    try:
        call_command("doctor", stdout=said, no_color=True)
    except SystemExit as end:
        return int(str(end.code)), said.getvalue()
    return 0, said.getvalue()


def test_where_all_is_well_it_says_so(healthy):
    code, said = doctor()
    assert (code, "wrong" in said) == (0, False), said
    assert {"database", "schema", "worker", "stripe", "mail"} <= set(re.findall(r"\w+", said.partition("ok ")[2]))


def test_a_part_that_is_down_and_work_that_is_late_come_first(healthy):
    Heartbeat.objects.update(at=Now() - timedelta(minutes=5))
    StripeNotice.objects.create(object_id="pi_1", about="payment_intent", noted_at=Now() - timedelta(seconds=1000))
    code, said = doctor()
    assert code == 1
    wrong = [line for line in said.splitlines() if line.startswith("wrong")]
    assert [line.split(":")[0] for line in wrong] == ["wrong  worker", "wrong  stripe_news_seconds"]
    assert re.search(r"1,0\d\d, at most 300", wrong[1])
    assert "worker" not in said.partition("ok ")[2]


def test_without_the_database_it_says_what_it_can(healthy, settings, closed_port, monkeypatch):
    connections["default"].close()
    monkeypatch.setitem(connections.settings["default"], "PORT", closed_port)
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", closed_port)
    code, said = doctor()
    connections["default"].close()
    assert code == 1
    assert "wrong  database: " in said
    assert "Without the database" in said
    assert "cache" in said.partition("ok ")[2]


def test_unsafe_settings_are_on_it(healthy, settings):
    settings.LUXEWIN_ENV, settings.METRICS_TOKEN = "production", "short"
    code, said = doctor()
    assert code == 1
    assert "wrong  luxewin.E039: METRICS_TOKEN can be guessed." in said


def test_the_alert_rules_have_the_same_bounds():
    rules = Path(project_settings.BASE_DIR, "deploy/prometheus/alerts.yml").read_text()
    bounds = {name: float(most) for name, most in re.findall(r"max\(luxewin_(\w+)\) > (\d+)", rules)}
    bounds.pop("unread_gauges")
    assert bounds == {gauge.name: gauge.most for gauge in GAUGES if gauge.most < float("inf")}
