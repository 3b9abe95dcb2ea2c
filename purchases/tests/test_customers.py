"""Stripe's customer has the address that its person has."""

import pytest
import stripe
from djstripe.models import Customer

from accounts.models import User
from purchases import gateway, tasks
from purchases.models import CustomerChange
from purchases.tests.stage import buy


@pytest.fixture
def customer(alice, on_sale):
    """Alice's at Stripe."""
    buy(alice, on_sale())
    return Customer.objects.get(subscriber=alice).id


def move(user, email):
    User.objects.filter(pk=user.pk).update(email=email)


def test_a_change_of_address_reaches_it(customer, alice, run_tasks):
    assert stripe.Customer.retrieve(customer).email == "alice@example.com"
    move(alice, "alice@elsewhere.example")
    run_tasks()
    assert stripe.Customer.retrieve(customer).email == "alice@elsewhere.example"
    assert not CustomerChange.objects.exists()


def test_while_stripe_is_away_it_waits(customer, alice, run_tasks, no_stripe):
    move(alice, "alice@elsewhere.example")
    away = no_stripe()
    tasks.update_customer(str(alice.pk))
    away.undo()
    CustomerChange.objects.update(claimed_until=None)
    run_tasks()
    assert stripe.Customer.retrieve(customer).email == "alice@elsewhere.example"


def test_one_that_was_deleted_at_stripe_is_forgotten(customer, alice, run_tasks):
    stripe.Customer.delete(customer)
    move(alice, "alice@elsewhere.example")
    run_tasks()
    assert not Customer.objects.filter(subscriber=alice).exists()
    assert not CustomerChange.objects.exists()


def test_of_whom_stripe_does_not_know_nothing_is_told(bob, run_tasks):
    move(bob, "bob@elsewhere.example")
    tasks.update_customer(str(bob.pk))
    assert not CustomerChange.objects.exists()


def test_what_else_changes_of_a_person_is_not_noted(customer, alice):
    User.objects.filter(pk=alice.pk).update(display_name="Alice the Second")
    assert not CustomerChange.objects.exists()


def test_an_address_that_changes_while_the_customer_is_made_reaches_it_too(alice, on_sale, run_tasks, monkeypatch):
    """The note of the change is worked on, and gone, before anybody knows of a customer."""
    make = gateway.customer_of

    def change_meanwhile(user):
        move(user, "alice@elsewhere.example")
        tasks.update_customer(str(user.pk))
        assert not CustomerChange.objects.exists()
        return make(user)

    monkeypatch.setattr(gateway, "customer_of", change_meanwhile)
    buy(alice, on_sale())
    run_tasks()
    customer = Customer.objects.get(subscriber=alice).id
    assert stripe.Customer.retrieve(customer).email == "alice@elsewhere.example"
    assert not CustomerChange.objects.exists()
