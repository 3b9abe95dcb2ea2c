"""Pages for people: every link of a mail leads to one, and so does every error that a browser meets."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from accounts.links import change_token, reset_links, unsubscribe_token, verification_links
from accounts.models import Deletion, EmailChange, LinkRequest, Notification, User
from accounts.notifications import compose
from accounts.tests.test_mails import CONTEXT, KINDS, LANGUAGES
from luxewin.api.problems import InvalidInput, Unavailable
from luxewin.clock import database_now
from luxewin.tests.asking import assert_problem, nothing_written

NEW = "entirely new horse battery"
# As Chromium and Firefox ask for a page.
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def raising(request: HttpRequest, kind: str) -> HttpResponse:
    """Raises what its address names."""
    kinds = {"bug": ZeroDivisionError("hunter2"), "away": Unavailable("Stripe is away.")}
    raise kinds.get(kind) or InvalidInput([])


urlpatterns = [path("raise/<str:kind>", raising), path("", include("luxewin.urls"))]
handler404, handler500 = "luxewin.api.problems.not_found", "luxewin.api.problems.server_error"


@pytest.fixture
def browser() -> Client:
    """Keeps cookies, and shows a page instead of raising."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False, headers={"accept": ACCEPT})


def _is_page(answer: Any) -> bool:
    text = answer.content.decode()
    return answer["Content-Type"].startswith("text/html") and "<h1" in text and 'rel="stylesheet"' in text


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_link_of_every_mail_has_a_page_here(language, settings, alice, on_sale, browser):
    settings.FRONTEND_URL, settings.PUBLIC_URL = "", "http://testserver"
    alice.preferences.language = language
    raffle, found = on_sale(), set()
    for kind in KINDS:
        context = CONTEXT | {"raffle_id": str(raffle.pk), "slug": raffle.slug, "password_dropped": True}
        text = compose(Notification(user=alice, kind=kind, context=context)).body
        for link in re.findall(r"http://testserver\S*", text):
            answer = browser.get(link)
            if "/admin/" in link:  # staff's, who are asked who they are
                assert answer["Location"].startswith("/admin/login/"), (kind, link)
                continue
            assert (answer.status_code, _is_page(answer)) == (200, True), (kind, link)
            found.add(link.removeprefix("http://testserver").partition("?")[0])
    assert {"/login", "/forgot-password", "/reset-password", f"/raffles/{raffle.pk}"} <= found
    assert f"/raffles/{raffle.slug}" in found
    assert {"/verify", f"/verify/{raffle.pk}"} <= found


def test_templates_of_mails_name_no_other_host():
    for file in (Path(settings.BASE_DIR) / "templates" / "mail").rglob("*.txt"):
        assert "http" not in file.read_text(), file


@pytest.mark.parametrize(
    "address", ["/verify/", "/login/", "/verify/x//", "/raffles/x/", "/reset-password/?token=a%26b"]
)
def test_a_slash_at_the_end_leads_to_the_page(address, browser, db):
    answer = browser.get(address)
    path, mark, query = address.partition("?")
    assert (answer.status_code, answer["Location"]) == (301, path.rstrip("/") + mark + query)


@pytest.mark.parametrize("address", ["//evil.example/", "/nowhere/", "/", "/admin/nowhere/"])
def test_nothing_else_is_led_on(address, browser, db):
    assert browser.get(address).status_code in {200, 302, 404}


@pytest.mark.parametrize("address", ["/nowhere", "/raffles/none", "/raffles/%00", "/verify/none", "/static/none"])
def test_what_is_not_there_is_a_page_for_browsers_and_a_document_for_others(address, browser, db):
    answer = browser.get(address)
    assert (answer.status_code, _is_page(answer)) == (404, True)
    assert 'href="/' in answer.content.decode()
    if not address.startswith("/verify/"):
        for accept in ("*/*", "application/json", "text/html;q=0.5, application/json"):
            assert_problem(Client(headers={"accept": accept}).get(address), 404, "not_found")


@pytest.mark.parametrize("address", ["/api/v1/nowhere", "/api/v1/raffles/none", "/health/none"])
def test_the_api_answers_browsers_as_it_answers_all(address, browser, db):
    assert_problem(browser.get(address), 404, "not_found")


@pytest.mark.urls(__name__)
def test_faults_and_outages_are_pages_that_name_the_request(browser, db):
    for kind, status in (("bug", 500), ("away", 503)):
        answer = browser.get(f"/raise/{kind}")
        assert (answer.status_code, _is_page(answer)) == (status, True)
        assert answer["X-Request-ID"] in answer.content.decode()
        assert "hunter2" not in answer.content.decode()


def test_a_request_that_no_view_takes_is_a_page(browser, db):
    bad_host = browser.get("/", headers={"host": "evil.example"})
    assert (bad_host.status_code, _is_page(bad_host)) == (400, True)
    wrong_verb = browser.options("/login")
    assert (wrong_verb.status_code, wrong_verb["Allow"]) == (405, "GET, HEAD")
    assert _is_page(wrong_verb)


def test_pages_of_the_back_office_refuse_by_pages(browser, mona):
    browser.force_login(mona)
    missing, closed = browser.get("/admin/nowhere/"), browser.get("/admin/purchases/refund/")
    assert (missing.status_code, closed.status_code) == (404, 403)
    for answer in (missing, closed):
        assert _is_page(answer)
        assert 'href="/admin/"' in answer.content.decode()


@pytest.mark.parametrize("address", ["/reset-password?token=x", "/admin/login/?next=/admin/"])
def test_a_missing_cookie_is_explained_and_leads_back_to_the_form(address, browser, db):
    answer = browser.post(address, {"token": "x"})
    assert (answer.status_code, _is_page(answer)) == (403, True)
    text = answer.content.decode()
    assert "Allow cookies" in text
    assert f'href="{address.replace("&", "&amp;")}"' in text
    assert_problem(Client(enforce_csrf_checks=True).post(address), 403, "csrf_failed")


def test_a_cookie_that_does_not_fit_the_form_is_explained_too(browser, db):
    browser.get("/forgot-password")
    text = browser.post("/forgot-password", {"csrfmiddlewaretoken": "a" * 64}).content.decode()
    assert "This form is out of date" in text


def _links(user: User) -> dict[str, Any]:
    """Each page of a link that acts once: its token, what its form sends besides, and what uses it up elsewhere."""
    change = EmailChange.objects.create(user=user, email="new@example.com", old_confirmed_at=database_now())
    return {
        "verify-email": SimpleNamespace(token=verification_links.token_for(user), body={"new_password": NEW}),
        "reset-password": SimpleNamespace(token=reset_links.token_for(user), body={"password": NEW}),
        "confirm-email": SimpleNamespace(token=change_token(change.pk.hex, "new"), body={}),
    }


def _send(browser: Client, address: str, body: dict[str, str]) -> Any:
    """Opens the page and sends its form."""
    page = browser.get(address)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    return browser.post(address, body | {"csrfmiddlewaretoken": token})


@pytest.mark.parametrize("name", ["verify-email", "reset-password", "confirm-email"])
def test_a_form_redirects_and_its_used_link_says_so_before_the_button(name, alice, browser):
    if name == "verify-email":
        User.objects.filter(pk=alice.pk).update(email_verified_at=None)
        alice.refresh_from_db()
    link = _links(alice)[name]
    address = f"/{name}?token={link.token}"
    answer = _send(browser, address, {"token": link.token} | link.body)
    assert answer.status_code == 302, answer.content
    with nothing_written():
        for _ in range(2):
            done = browser.get(answer["Location"])
            assert 'href="/login"' in done.content.decode()
            assert "<form" not in done.content.decode()
        used = browser.get(address).content.decode()
    assert "This link does not work" in used
    assert "<button" not in used
    assert re.search('href="/(login|forgot-password)"', used)


@pytest.mark.parametrize(
    "address", ["verify-email", "reset-password", "confirm-email", "keep-account", "export", "unsubscribe"]
)
@pytest.mark.parametrize("token", ["", "x", "%00", "a.b", "é" * 400])
def test_a_link_that_was_never_ours_says_so_before_the_button(address, token, browser, db):
    text = browser.get(f"/{address}?token={token}").content.decode()
    assert "This link does not work" in text
    assert "<button" not in text
    assert "href=" in text.partition("</h1>")[2]


def test_an_account_that_is_open_again_is_not_asked_about(alice, browser):
    from accounts.links import keeping_links

    User.objects.filter(pk=alice.pk).update(is_active=False)
    deletion = Deletion.objects.create(user=alice, due_at=database_now())
    token = keeping_links.token_for(deletion.pk.hex, alice)
    assert _send(browser, f"/keep-account?token={token}", {"token": token}).status_code == 302
    assert "<button" not in browser.get(f"/keep-account?token={token}").content.decode()


def test_the_form_of_fewer_mails_redirects_and_mail_programs_are_answered_at_once(alice, browser):
    address = f"/unsubscribe?token={unsubscribe_token(alice, 'draws', 'email')}"
    assert "Results of draws" in browser.get(address).content.decode()
    assert browser.post(address, {"List-Unsubscribe": "One-Click"}).status_code == 200
    answer = browser.post(address, {"page": "1"})
    assert answer.status_code == 302
    assert "Switched off" in browser.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("address", "verified", "subject"),
    [("/forgot-password", True, "Set a new password"), ("/verify-email/resend", False, "Confirm your e-mail address")],
)
def test_a_link_is_mailed_to_who_waits_for_one_and_the_page_tells_nothing(
    address, verified, subject, person, browser, run_tasks
):
    person("dora", verified=verified)
    answers = [_send(browser, address, {"email": email}) for email in ("dora@example.com", "nobody@example.com")]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(302, f"{address}?done=asked")] * 2
    assert "mailbox" in browser.get(f"{address}?done=asked").content.decode()
    run_tasks()
    assert [(message.subject, message.to) for message in mail.outbox] == [(subject, ["dora@example.com"])]


@pytest.mark.parametrize("email", ["", "x", "a\0@b.example", "x" * 300 + "@example.com", "<b>@example.com"])
def test_what_is_no_address_is_asked_for_again(email, browser, db):
    answer = _send(browser, "/forgot-password", {"email": email})
    assert (answer.status_code, _is_page(answer)) == (400, True)
    assert 'role="alert"' in answer.content.decode()
    assert not LinkRequest.objects.exists()


def test_who_asks_too_often_is_refused_by_a_page(browser, one_window, db):
    statuses = {_send(browser, "/forgot-password", {"email": "a@example.com"}).status_code for _ in range(11)}
    assert statuses == {302, 429}
    answer = _send(browser, "/forgot-password", {"email": "a@example.com"})
    assert _is_page(answer)
    assert int(answer["Retry-After"]) > 0


def test_with_a_front_end_the_pages_lead_on_to_it(settings, browser, db):
    settings.FRONTEND_URL = "https://example.com"
    assert browser.get("/login")["Location"] == "https://example.com/login"
    assert 'href="https://example.com/forgot-password"' in browser.get("/reset-password?token=x").content.decode()


def test_mails_and_pages_say_where_to_write_to(settings, alice, browser):
    settings.SUPPORT_EMAIL = "help@example.com"
    message = compose(Notification(user=alice, kind="email_changed", context={"email": f"{uuid4().hex}@example.com"}))
    assert message.reply_to == ["help@example.com"]
    assert message.body.rstrip().endswith("LuxeWin · help@example.com")
    for address in ("/", "/nowhere", "/login"):
        assert 'href="mailto:help@example.com"' in browser.get(address).content.decode()


def test_the_page_of_a_raffle_shows_its_terms_and_leads_to_its_draw(on_sale, draft, browser):
    raffle = on_sale(title="<b>Ein</b> Wagen")
    for name in (raffle.pk, raffle.slug):
        text = browser.get(f"/raffles/{name}").content.decode()
        assert "&lt;b&gt;Ein&lt;/b&gt; Wagen" in text
        assert f'href="/verify/{raffle.slug}"' in text
        assert "The watch" in text
    assert browser.get(f"/raffles/{draft(slug='secret').pk}").status_code == 404
