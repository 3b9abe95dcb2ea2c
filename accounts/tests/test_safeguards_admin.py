"""Safeguards in the back office: set up for who calls, never shortened; rules and terms are added, not edited."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import CountryRule, Notification, Safeguards, Terms, TermsAcceptance, User
from accounts.notifications import compose
from accounts.services import pause_buying, publish_terms, set_spend_limit
from accounts.services.terms import tell_of_new_terms
from accounts.tests.guarding import publish, rule
from luxewin.audit.models import AuditEntry

WISH = "/admin/accounts/safeguards/add/"


@pytest.fixture
def desk() -> Callable[[User], Client]:
    """A member of staff at the back office."""

    def sign_in(user: User) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return sign_in


def wish(client: Client, email: str, what: str, reason: str = "She called, and knew her last purchase."):
    sent = {"email": email, "wish": what, "reason": reason, "confirmed": "1"}
    return client.post(WISH, sent, follow=True)


@pytest.mark.parametrize(
    ("what", "action"),
    [("pause 168", "paused"), ("exclude 6", "excluded"), ("for good", "excluded")],
)
def test_support_sets_up_what_somebody_asks_for_on_the_phone(what, action, sam, alice, desk):
    page = wish(desk(sam), "Alice@example.com", what)
    assert "Set up for alice@example.com" in page.content.decode()
    entry = AuditEntry.objects.get(action=f"safeguards.{action}")
    assert (entry.actor, entry.after["reason"]) == (sam.pk, "She called, and knew her last purchase.")
    assert Notification.objects.mails().get(user=alice, kind=action).context["by_staff"] is True


def test_support_makes_nothing_shorter(sam, alice, desk):
    pause_buying(alice, hours=72, actor=alice)
    before = Safeguards.objects.values().get()
    page = wish(desk(sam), alice.email, "pause 24").content.decode()
    assert "It can only be made longer" in page
    assert Safeguards.objects.values().get() == before
    for path in ("change", "delete"):
        answer = desk(sam).post(f"/admin/accounts/safeguards/{alice.pk}/{path}/", {"paused_until": ""})
        assert answer.status_code == 403
    assert Safeguards.objects.values().get() == before


@pytest.mark.parametrize(
    ("email", "what", "reason"),
    [
        ("nobody@example.com", "pause 24", "r"),
        ("alice@example.com", "pause 1", "r"),
        ("alice@example.com", "for good", ""),
    ],
    ids=["nobody", "an hour", "no reason"],
)
def test_a_wish_that_cannot_be_is_said_at_the_form(email, what, reason, sam, alice, desk):
    assert "Nothing was saved" in wish(desk(sam), email, what, reason).content.decode()
    assert not Safeguards.objects.exists()


def test_nobody_but_support_sets_up_anything(mona, fiona, audrey, alice, desk):
    for user in (mona, fiona, audrey):
        assert desk(user).get(WISH).status_code == 403
        assert wish(desk(user), alice.email, "for good").status_code == 403
    assert not Safeguards.objects.exists()


def test_managers_add_rules_and_terms_and_the_audit_has_them(mona, desk):
    client, begins = desk(mona), {"effective_from_0": "2026-01-01", "effective_from_1": "00:00"}
    facts = {"country": "us", "region": "us-wa", "minimum_age": "", "reason": "The law."}
    assert client.post("/admin/accounts/countryrule/add/", facts | begins).status_code == 302
    made = CountryRule.objects.get()
    assert (made.country, made.region, made.allowed) == ("US", "US-WA", False)
    assert AuditEntry.objects.get(action="country_rule.set").actor == mona.pk
    terms = {"version": "2026-11", "url": "https://luxewin.example/terms"}
    assert client.post("/admin/accounts/terms/add/", terms | begins).status_code == 302
    assert AuditEntry.objects.get(action="terms.published").subject_id == str(Terms.objects.get().pk)


def test_everybody_who_accepted_earlier_terms_is_told_of_new_ones_once(mona, alice, bob, person, run_tasks):
    old = publish("1")
    for user in (alice, person("gone", is_active=False)):
        TermsAcceptance.objects.create(user=user, terms=old)
    begins = timezone.now() + timedelta(days=30)
    new = Terms(version="2", url="https://luxewin.example/terms/2", effective_from=begins)
    with transaction.atomic():
        publish_terms(new, actor=mona)
    run_tasks()
    tell_of_new_terms(str(new.pk))
    told = Notification.objects.mails().get(kind="terms_changed")
    assert told.user == alice
    assert datetime.fromisoformat(told.context["begins"]) == begins
    for said in (new.url, "Version 2"):
        assert said in compose(told).body


@pytest.mark.parametrize("facts", [{"country": "xx"}, {"region": "GB-ENG"}, {"region": "WA"}], ids=str)
def test_a_rule_of_no_place_is_refused(facts, mona, desk):
    begins = {"effective_from_0": "2026-01-01", "effective_from_1": "00:00"}
    page = desk(mona).post("/admin/accounts/countryrule/add/", {"country": "US", "reason": "r"} | begins | facts)
    assert page.status_code == 200
    assert not CountryRule.objects.exists()


def test_what_is_published_is_only_read(mona, sam, alice, desk):
    set_spend_limit(alice, currency="gbp", limit=5_000)
    pages = {"countryrule": rule("US").pk, "terms": publish("1").pk, "spendlimit": alice.spend_limits.get().pk}
    for page, key in pages.items():
        path = f"/admin/accounts/{page}/{key}/change/"
        assert desk(sam).get(path).status_code == 200
        assert desk(sam).post(path, {}).status_code == 403
        assert desk(mona).post(path, {}).status_code == 403
    assert "50.00 GBP" in desk(sam).get("/admin/accounts/spendlimit/").content.decode()


@pytest.mark.parametrize("what", ["pause 168", "exclude 6", "for good"])
def test_what_it_means_is_said_before_anything_is_set_up(what, sam, alice, desk):
    sent = {"email": "alice@example.com", "wish": what, "reason": "She called."}
    page = desk(sam).post(WISH, sent).content.decode()
    assert "alice@example.com cannot buy" in page
    assert "Nobody can undo it" in page
    assert not Safeguards.objects.exists()
    # Back to the form, with what was typed.
    page = desk(sam).post(WISH, sent | {"change": "1"}).content.decode()
    assert 'value="She called."' in page
    assert not Safeguards.objects.exists()
