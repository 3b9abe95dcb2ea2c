"""The back office's home: each number is that of the list behind it, and nobody sees a number of what they may not."""

import re
from itertools import chain

import pytest
from django.contrib import admin
from django.test import Client

from accounts.models import Notification, User
from accounts.notifications import notify
from luxewin.desk import CONCERNS, MENU
from luxewin.health.probes import EXAMINER
from purchases.models import Purchase, Refund, UnstoredEvent
from purchases.tests.stage import hold, seated
from verification.models import Draw
from verification.tests.browser import Page
from verification.tests.test_page_browser import PICTURES, VIEWS, browser  # noqa: F401 a fixture

HOME = "/admin/"


@pytest.fixture
def trouble(on_sale, alice, bob) -> None:
    """One of nearly everything that is to be looked at, and the same in good order beside it."""
    raffle = on_sale()
    hold(alice, raffle)
    Purchase.objects.filter(pk=hold(alice, raffle).pk).update(status="review")
    for status in ("failed", "succeeded"):
        payment = seated(bob, raffle).payment
        Refund.objects.create(payment=payment, amount=500, reason="x", status=status)
    for person in (alice, bob):
        notify(person, "password_changed", about=person.pk)
    Notification.objects.filter(user=alice, channel="email").update(status="failed")
    UnstoredEvent.objects.create(event_id="evt_1", type="x", content="{}", made_at=raffle.opens_at, error="x")
    Draw.objects.update(trouble="no node answers")


def home_of(user: User) -> tuple[str, dict[str, tuple[int, str]]]:
    client = Client()
    client.force_login(user)
    page = client.get(HOME).content.decode()
    found = re.findall(r'<li><a href="([^"]+)"><strong>(\d+)</strong> ([^<]+)</a></li>', page)
    for address, count, _ in found:
        rows = client.get(address.replace("&amp;", "&"))
        assert rows.status_code == 200
        assert rows.context["cl"].result_count == int(count), address
    return page, {text: (int(count), address) for address, count, text in found}


@pytest.mark.django_db
def test_the_desk_shows_finance_their_work(trouble, fiona):
    _, desk = home_of(fiona)
    assert (desk["purchase in review"][0], desk["refund that failed"][0]) == (1, 1)


@pytest.mark.django_db
def test_an_auditor_sees_all_and_each_number_is_that_of_its_list(trouble, audrey):
    _, desk = home_of(audrey)
    assert set(desk) >= {
        *("purchase in review", "refund that failed", "message that could not be sent", "Stripe event that failed"),
        "draw with a problem",
    }


@pytest.mark.django_db
def test_nobody_sees_a_number_of_what_they_may_not_view(trouble, person):
    clerk = person("clerk", role="support")
    clerk.groups.clear()
    page, desk = home_of(clerk)
    assert desk == {}
    assert "Nothing waits for you." in page or "is down" in page


@pytest.mark.django_db(transaction=True)
def test_a_part_that_is_down_is_on_every_desk(sam, monkeypatch):
    probe = EXAMINER.probes["mail"]
    monkeypatch.setattr(probe, "call", lambda: 1 / 0)
    probe.examine()
    page, _ = home_of(sam)
    assert re.search(r'href="/admin/health/"><strong>mail</strong> is down', page)


@pytest.mark.django_db
def test_home_costs_a_bounded_count_for_each_concern(trouble, audrey, django_assert_max_num_queries):
    client = Client()
    client.force_login(audrey)
    client.get(HOME)
    with django_assert_max_num_queries(len(CONCERNS) * 3 + 6):
        client.get(HOME)


@pytest.mark.django_db
def test_the_menu_has_every_page_once_and_by_work(audrey, django_user_model):
    root = django_user_model.objects.create_superuser(email="root@example.com", password=None, display_name="Root")
    client = Client()
    client.force_login(root)
    menu = client.get(HOME).context["app_list"]
    assert [group["name"] for group in menu[: len(MENU)]] == list(MENU)
    # dj-stripe's records, under their app's name.
    assert [group["app_label"] for group in menu[len(MENU) :]] == ["djstripe"]
    registered = {model._meta.label_lower for model in admin.site._registry}
    assert {label for label in registered if not label.startswith("djstripe.")} == set(chain(*MENU.values()))
    assert sum(len(group["models"]) for group in menu) == len(registered)


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("view", VIEWS)
def test_home_is_looked_at(view, browser, live_server, trouble, audrey, settings):  # noqa: F811 the fixture
    settings.STAFF_SECOND_FACTOR = False
    client = Client()
    client.force_login(audrey)
    page: Page = browser.page(**VIEWS[view])
    page.goto(f"{live_server.url}/admin/login/")
    page.evaluate(f"document.cookie = 'sessionid={client.cookies['sessionid'].value}; path=/'")
    page.goto(f"{live_server.url}{HOME}")
    assert "purchase in review" in page.text(".desk")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(PICTURES / f"back-office-home-{view}.png")
