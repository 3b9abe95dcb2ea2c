"""The back office's door in headless Chromium: sign-in, setting up a second factor, recovery codes.

Each view is also written as a picture, to the folder that LUXEWIN_SCREENSHOTS names (else below .luxewin).
"""

import pytest

from accounts.models import Authenticator, RecoveryCode
from accounts.tests.phones import PASSWORD, Phone, half_a_minute_passes
from verification.tests.browser import Page
from verification.tests.test_page_browser import FAINT, PICTURES, VIEWS, browser  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db(transaction=True)
# Sideways on a phone, or text too faint to read, or anything that the content security policy stopped.
NARROW = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def manager(mona, settings):
    """Mona with PASSWORD, who needs a second factor and has none."""
    settings.STAFF_SECOND_FACTOR = True
    mona.set_password(PASSWORD)
    mona.save()
    return mona


def _looked_at(page: Page, name: str) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
    assert page.evaluate(FAINT) == [], name
    assert page.evaluate(NARROW), f"{name} scrolls sideways"
    page.screenshot(PICTURES / f"back-office-{name}.png")
    # Which features a browser knows is its own affair.
    assert [each for each in page.complaints if "Permissions-Policy" not in each] == [], name


def _sent(page: Page, selector: str, **fields: str) -> None:
    """Fills in the form and waits for the answer."""
    for name, value in fields.items():
        page.fill(f"#id_{name}", value)
    page.evaluate("window.isOld = true")
    page.click(selector)
    page.wait_for("!window.isOld && document.readyState === 'complete'")


@pytest.mark.parametrize("view", VIEWS)
def test_a_second_factor_is_set_up_and_used(view, browser, live_server, manager):  # noqa: F811 the fixture
    page = browser.page(**VIEWS[view])
    page.goto(f"{live_server.url}/admin/")
    _looked_at(page, f"sign-in-{view}")
    _sent(page, "[type=submit]", username=manager.email, password=PASSWORD)
    assert page.evaluate("location.pathname") == "/admin/second-factor/"
    _looked_at(page, f"set-up-{view}")
    secret = page.text(".second-factor details code")
    phone = Phone(f"otpauth://totp/x?secret={secret}&digits=6&period=30")
    _sent(page, ".steps [type=submit]", code=phone.wrong_code())
    assert "This code is wrong" in page.text(".errornote")
    _sent(page, ".steps [type=submit]", code=phone.code())
    assert page.evaluate("document.querySelectorAll('.codes code').length") == 10
    _looked_at(page, f"codes-{view}")
    _sent(page, "a.button")
    assert page.evaluate("location.pathname") == "/admin/"
    page.goto(f"{live_server.url}/admin/second-factor/")
    _looked_at(page, f"state-{view}")
    _sent(page, "#logout-form button")
    half_a_minute_passes(manager)
    page.goto(f"{live_server.url}/admin/login/?next=/admin/")
    _sent(page, "[type=submit]", username=manager.email, password=PASSWORD)
    assert "Enter the code" in page.text(".errornote")
    _looked_at(page, f"refused-{view}")
    _sent(page, "[type=submit]", username=manager.email, password=PASSWORD, code=phone.code())
    assert page.evaluate("location.pathname") == "/admin/"
    assert (Authenticator.objects.count(), RecoveryCode.objects.count()) == (1, 10)
    page.close()
