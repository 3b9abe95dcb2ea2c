"""One exclusion for all that a person ever showed to be theirs: addresses, Supabase accounts, forgotten accounts."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Deletion, ExcludedAddress, FormerIdentifier, Identity, Safeguards, User
from accounts.services import carry_out_deletion, exclude_from_buying
from accounts.services.exclusions import carry_over_exclusion
from accounts.services.identities import _made
from accounts.services.linking import link_identity
from accounts.supabase import Person

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=30)


def exclude(user, months):
    exclude_from_buying(user, months=months, password=None, actor=user)


def move(user, email):
    """By whatever way: nothing of ours is called."""
    User.objects.filter(pk=user.pk).update(email=email, mailbox=email)


def forget(user):
    deletion = Deletion.objects.create(user=user, due_at=timezone.now() - timedelta(seconds=1))
    carry_out_deletion(deletion.pk)
    assert User.objects.get(pk=user.pk).is_deleted


def end_of(user):
    found = Safeguards.objects.filter(user=user).first()
    return (found.excluded_forever or found.excluded_until) if found else None


@pytest.fixture
def comes_back(person):
    """Somebody registers this address and shows that it is theirs."""

    def make(name):
        user = person(name)
        carry_over_exclusion(user)
        return user

    return make


def test_an_address_given_up_before_the_exclusion_is_tied_to_it(alice, comes_back):
    move(alice, "fresh@example.com")
    exclude(alice, 6)
    assert end_of(comes_back("alice")) == end_of(alice)


def test_an_exclusion_lengthened_after_a_change_of_address_is_longer_for_the_old_one_too(alice, comes_back):
    exclude(alice, 6)
    move(alice, "fresh@example.com")
    exclude(alice, 60)
    assert end_of(comes_back("alice")) == end_of(alice)


def test_it_is_longer_for_an_account_that_came_back_before_and_for_those_that_come_later(alice, comes_back):
    exclude(alice, 6)
    move(alice, "fresh@example.com")
    again = comes_back("alice")
    exclude(again, 60)
    alice.refresh_from_db()
    assert end_of(alice) == end_of(again)
    forget(alice)
    assert end_of(comes_back("fresh")) == end_of(again)


def test_every_address_of_a_forgotten_person_stays_excluded_and_all_are_lengthened_together(alice, comes_back):
    exclude(alice, 6)
    for name in ("second", "third"):
        move(alice, f"{name}@example.com")
    alice.refresh_from_db()
    forget(alice)
    assert ExcludedAddress.objects.count() == 3
    assert not FormerIdentifier.objects.exists()
    again = comes_back("second")
    exclude(again, None)
    assert end_of(comes_back("alice")) is True
    assert end_of(comes_back("third")) is True


def test_who_is_forgotten_without_an_exclusion_leaves_nothing(alice):
    move(alice, "fresh@example.com")
    alice.refresh_from_db()
    forget(alice)
    assert not FormerIdentifier.objects.exists()
    assert not ExcludedAddress.objects.exists()


def test_the_same_supabase_account_brings_the_exclusion_back_under_another_address(alice):
    subject = uuid4()
    Identity.objects.create(provider="supabase", subject=subject, user=alice, email=alice.email)
    exclude(alice, 12)
    until = end_of(alice)
    forget(alice)
    assert end_of(_made(Person(subject=subject, email="unknown@example.com", name="New"))) == until


def test_a_supabase_account_that_was_unlinked_brings_it_to_the_account_that_it_is_linked_to(alice, bob):
    subject = uuid4()
    Identity.objects.create(provider="supabase", subject=subject, user=alice, email=alice.email).delete()
    exclude(alice, 12)
    link_identity(bob, subject)
    assert end_of(bob) == end_of(alice)


def test_an_address_that_nobody_verified_ties_nobody(alice, comes_back):
    User.objects.filter(pk=alice.pk).update(email_verified_at=None)
    move(alice, "fresh@example.com")
    User.objects.filter(pk=alice.pk).update(email_verified_at=timezone.now())
    exclude(alice, 6)
    assert end_of(comes_back("alice")) is None


def test_whoever_takes_over_an_address_excludes_nobody_who_had_it_before(alice, comes_back):
    move(alice, "fresh@example.com")
    stranger = comes_back("alice")
    exclude(stranger, 6)
    assert end_of(stranger)
    assert end_of(alice) is None


def test_a_change_of_address_past_every_service_brings_the_exclusion_along(alice, bob, run_tasks):
    exclude(alice, 6)
    move(alice, "fresh@example.com")
    move(bob, "alice@example.com")
    run_tasks()
    assert end_of(bob) == end_of(alice)
