"""Titles and names of any length and script in headless Chromium: no page and no list scrolls sideways."""

import pytest

from verification.tests.browser import Page
from verification.tests.test_page_browser import FAINT, PICTURES, browser  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db(transaction=True)
WIDE = "W" * 120
ARABIC = "ساعة فاخرة من الذهب"
NARROW = "document.documentElement.scrollWidth <= innerWidth"
# Lists of the back office with many columns scroll in a frame of their own, but no column widens them.
WIDEST = """
Math.max(0, ...[...document.querySelectorAll('#result_list tbody th, #result_list td')].map(cell => cell.offsetWidth))
"""
# Values of a row's page that are wider than their row, which cuts them off.
CUT = """
[...document.querySelectorAll('.readonly')].filter(each => each.offsetWidth > each.parentElement.offsetWidth).length
"""
DIRECTION = "getComputedStyle(document.querySelector({!r})).direction"
SIZES = {"desktop": {"width": 1280}, "phone": {"width": 390, "height": 844, "phone": True}}


def _shot(page: Page, size: str, name: str) -> None:
    page.screenshot(PICTURES / f"{name}-{size}.png")
    assert page.evaluate(NARROW), f"{name} scrolls sideways on a {size}"


@pytest.fixture
def prizes(terms, draft, on_sale):
    """Raffles on sale, the last of them of an Arabic title, and a draft."""
    prize = {"name": WIDE, "description": WIDE}
    shown = [
        on_sale(title=title, description=f"{title}\n\n{title}", prizes=[prize]) for title in (WIDE, "手表", ARABIC)
    ]
    return [*shown, draft(title=WIDE, prizes=[prize])]


@pytest.mark.parametrize("size", SIZES)
def test_no_page_for_visitors_scrolls_sideways(size, browser, live_server, prizes):  # noqa: F811 the fixture
    page = browser.page(**SIZES[size])
    long, _, arabic, _ = prizes
    for name, path in {
        "draws": "verify",
        "draw-long": f"verify/{long.slug}",
        "raffle-long": f"raffles/{long.slug}",
        "raffle-arabic": f"raffles/{arabic.slug}",
        "nowhere": WIDE,
        "login": "login",
        "forgot": "forgot-password",
        "link-refused": "verify-email?token=x",
        "start": "",
    }.items():
        page.goto(f"{live_server.url}/{path}")
        assert page.evaluate(FAINT) == [], name
        _shot(page, size, f"words-{name}")
    page.goto(f"{live_server.url}/raffles/{arabic.slug}")
    assert page.evaluate(DIRECTION.format("h1")) == "rtl"
    page.goto(f"{live_server.url}/verify")
    assert page.evaluate(DIRECTION.format("ul.doors strong")) == "rtl"


@pytest.mark.parametrize("size", SIZES)
def test_nor_does_one_of_the_back_office(size, browser, live_server, prizes, person, client):  # noqa: F811 the fixture
    root = person("root", is_superuser=True)
    root.is_staff, root.display_name = True, "W" * 80
    root.save()
    client.force_login(root)
    page = browser.page(**SIZES[size])
    page.call("Network.setCookie", name="sessionid", value=client.cookies["sessionid"].value, url=live_server.url)
    long, draft = prizes[0], prizes[-1]
    for name, path in {
        "list": "raffles/raffle/",
        "published": f"raffles/raffle/{long.pk}/change/",
        "draft": f"raffles/raffle/{draft.pk}/change/",
        "delete": f"raffles/raffle/{draft.pk}/delete/",
        "people": "accounts/user/",
        "person": f"accounts/user/{root.pk}/change/",
        "draws": "verification/draw/",
    }.items():
        page.goto(f"{live_server.url}/admin/{path}")
        _shot(page, size, f"words-office-{name}")
        assert page.evaluate(WIDEST) <= 320, name
        assert page.evaluate(CUT) == 0, name
