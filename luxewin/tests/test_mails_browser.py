"""Mails in headless Chromium: readable on a phone, light and dark, whatever is in them, asking nothing of anybody.

Each kind is also written as a picture, to the folder that LUXEWIN_SCREENSHOTS names (else below .luxewin).
"""

import pytest
from django.conf import settings

from accounts.message_samples import sample_context
from accounts.models import Notification
from accounts.notifications import compose
from accounts.tests.pseudo_language import CODE, pseudo_language  # noqa: F401 a fixture
from accounts.words import kinds
from verification.tests.test_page_browser import FAINT, PICTURES, browser  # noqa: F401 a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.stack]
NARROW = "document.documentElement.scrollWidth <= innerWidth"
VIEWS = {"wide-light": {}, "phone-dark": {"width": 360, "height": 740, "phone": True, "dark": True}}
LONG = "W" * 40


@pytest.mark.parametrize("view", VIEWS)
def test_every_mail_can_be_read(view, browser, alice, tmp_path):  # noqa: F811 the fixture
    page = browser.page(**VIEWS[view])
    languages = [code for code, _ in settings.LANGUAGES]
    for number, kind in enumerate(kinds()):
        # Each kind in one language; all of them over the kinds.
        language = alice.preferences.language = languages[number % len(languages)]
        mail = compose(
            Notification(user=alice, kind=kind, context=sample_context() | {"raffle": f"A fine watch {LONG}"})
        )
        file = tmp_path / f"{kind}.html"
        file.write_text(mail.alternatives[0][0])
        page.goto(file.as_uri())
        assert page.evaluate(FAINT.replace("main *", "body *")) == [], kind
        assert page.evaluate(NARROW), f"{kind} scrolls sideways"
        page.screenshot(PICTURES / f"mail-{kind}-{language}-{view}.png")
    assert page.complaints == []


SIDES = """[...document.querySelectorAll("h1, p, li, td")].filter((each) =>
    getComputedStyle(each).direction !== "rtl" || !/^(right|start|center)$/.test(getComputedStyle(each).textAlign)
).map((each) => each.outerHTML.slice(0, 80))"""
EDGE = "innerWidth - document.querySelector('h1').getBoundingClientRect().right"


def test_a_language_from_right_to_left_begins_at_the_right(browser, alice, tmp_path, pseudo_language):  # noqa: F811 the fixtures
    page = browser.page(**VIEWS["phone-dark"])
    alice.preferences.language = CODE
    for kind in ("purchase_paid", "draw_won", "changed_by_staff"):
        file = tmp_path / f"{kind}.html"
        file.write_text(compose(Notification(user=alice, kind=kind, context=sample_context())).alternatives[0][0])
        page.goto(file.as_uri())
        assert page.evaluate(f"{SIDES}.filter((each) => !each.includes('center'))") == [], kind
        assert page.evaluate(NARROW), kind
        assert page.evaluate(EDGE) < 20
        page.screenshot(PICTURES / f"mail-{kind}-{CODE}-phone-dark.png")
