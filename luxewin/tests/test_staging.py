"""Staging says so to people: on every page, and before every mail's subject. Elsewhere nothing does."""

import pytest
from django.test import Client

from accounts.models import Notification
from accounts.notifications import compose, notify
from luxewin.staging import BANNER

PAGES = ["/", "/admin/login/", "/verify", "/verify-email?token=x", "/api/v1/redoc"]


@pytest.mark.parametrize(("environment", "said"), [("staging", True), ("production", False), ("development", False)])
def test_every_page_and_mail_of_staging_says_so(environment, said, settings, db, mona):
    settings.LUXEWIN_ENV = environment
    for page in PAGES:
        answer = Client().get(page, follow=True)
        assert answer.status_code == 200, page
        assert (BANNER in answer.content.decode()) is said, page
    staff = Client()
    staff.force_login(mona)
    for page in ("/admin/", "/admin/raffles/raffle/", "/admin/raffles/raffle/add/"):
        assert (BANNER in staff.get(page).content.decode()) is said, page
    notify(mona, "password_changed", about="x")
    mail = compose(Notification.objects.mails().get())
    assert mail.subject.startswith("[staging] ") is said
