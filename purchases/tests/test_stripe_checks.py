"""The system check of the door to Stripe: what Stripe sends is what is handled."""

import pytest
import stripe
from django.core.checks import run_checks
from djstripe.models import Event, WebhookEndpoint
from djstripe.signals import WEBHOOK_SIGNALS

from purchases import gateway

URL = "http://127.0.0.1:9"
pytestmark = [pytest.mark.usefixtures("own_stripe"), pytest.mark.django_db]


def faults():
    found = run_checks(tags=["stripe"], include_deployment_checks=True, databases=["default"])
    return {fault.id: fault.msg for fault in found}


def test_with_a_registered_webhook_there_is_nothing_to_say():
    gateway.register_webhook(URL)
    assert faults() == {}


def test_a_plain_check_asks_nobody(monkeypatch):
    def call(*arguments, **options):
        raise AssertionError(f"called {arguments}")

    monkeypatch.setattr(stripe.default_http_client, "request_with_retries", call)
    run_checks(include_deployment_checks=True)
    run_checks(databases=["default"])
    with pytest.raises(AssertionError, match="called"):
        gateway.register_webhook(URL)


def test_without_a_webhook_it_is_an_error():
    assert list(faults()) == ["purchases.E001"]


@pytest.mark.parametrize("change", ["deleted", "disabled"])
def test_a_webhook_that_is_gone_at_stripe_is_an_error(change):
    endpoint = gateway.register_webhook(URL)
    if change == "deleted":
        stripe.WebhookEndpoint.delete(endpoint.id)
    else:
        stripe.WebhookEndpoint.modify(endpoint.id, disabled=True)
    assert list(faults()) == ["purchases.E001"]
    gateway.register_webhook(URL)
    assert faults() == {}


def test_events_that_differ_from_those_handled_are_named_and_registering_again_puts_them_right():
    endpoint = gateway.register_webhook(URL)
    events = [*gateway.EVENTS[1:], "charge.captured"]
    stripe.WebhookEndpoint.modify(endpoint.id, enabled_events=events)
    found = faults()
    assert list(found) == ["purchases.E002", "purchases.E003"]
    assert gateway.EVENTS[0] in found["purchases.E002"]
    assert "charge.captured" in found["purchases.E003"]
    assert gateway.register_webhook(URL).id != endpoint.id
    assert faults() == {}


def test_while_stripe_does_not_answer_its_last_word_counts(monkeypatch):
    endpoint = gateway.register_webhook(URL)
    monkeypatch.setattr(stripe, "api_base", "http://127.0.0.1:1")
    monkeypatch.setattr(stripe, "max_network_retries", 0)
    assert list(faults()) == ["purchases.W001"]
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(enabled_events=[])
    assert list(faults()) == ["purchases.W001", "purchases.E002"]


@pytest.mark.parametrize("name", gateway.EVENTS)
def test_an_event_to_which_nothing_listens_is_an_error(name, monkeypatch):
    gateway.register_webhook(URL)
    signal = WEBHOOK_SIGNALS[name]
    monkeypatch.setattr(signal, "receivers", [])
    signal.sender_receivers_cache.clear()
    try:
        assert faults() == {"purchases.E004": f"Nothing listens to {name}."}
    finally:
        monkeypatch.undo()
        signal.sender_receivers_cache.clear()
    assert signal.has_listeners(Event)
