"""Accounts of before there were mailboxes: none is lost, one of each mailbox keeps it, the others cannot buy."""

from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import EmailChange, Preferences, Safeguards, User
from accounts.services import exclude_from_buying
from accounts.services.deletion import pseudonymise
from accounts.standing import standing_of
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem
from purchases.models import Purchase

migration = import_module("accounts.migrations.0009_mailboxes")


@pytest.fixture
def before(person):
    """Makes an account as it may have been stored: an address in any spelling, and no mailbox yet."""

    def make(email: str, **fields: object) -> User:
        user = person(f"n{User.objects.count()}", **fields)
        User.objects.update(mailbox=None)
        User.objects.filter(pk=user.pk).update(email=email)
        return user

    return make


def migrate() -> None:
    with connection.schema_editor(atomic=False) as editor:
        migration.give_mailboxes(apps, editor)
        migration.rewrite_waiting(apps, editor)


def kept(*people: User) -> list[tuple[str, str | None]]:
    return [User.objects.values_list("email", "mailbox").get(pk=user.pk) for user in people]


def test_of_accounts_that_reach_one_mailbox_one_keeps_it_and_none_is_lost(before, capsys):
    squatter = before("alice@example.com", verified=False)
    verified = before("alice@exam\u200bple.com")
    tagged = before("alice+x@example.com")
    other = before("bob@b\u00fccher.example")
    migrate()
    # The verified one gets the canonical form, and the squatter that of the verified one: both reach the same mailbox.
    assert kept(verified, squatter, tagged, other) == [
        ("alice@example.com", "alice@example.com"),
        ("alice@exam\u200bple.com", None),
        ("alice+x@example.com", None),
        ("bob@xn--bcher-kva.example", "bob@xn--bcher-kva.example"),
    ]
    assert User.objects.count() == 4
    shared = AuditEntry.objects.filter(action="user.mailbox_shared")
    assert set(shared.values_list("subject_id", "after__with")) == {
        (str(squatter.pk), str(verified.pk)),
        (str(tagged.pk), str(verified.pk)),
    }
    assert AuditEntry.objects.filter(action="user.updated").count() == 3
    assert "2 accounts share a mailbox" in capsys.readouterr().err


def test_a_domain_with_sharp_s_is_the_one_that_was_mailed(before):
    user = before("a@stra\u00dfe.example")
    migrate()
    assert kept(user) == [("a@strasse.example", "a@strasse.example")]


def test_what_no_mail_reaches_stays_as_it_is_and_bars_nobody(before):
    users = [before("root@localhost"), before('"a b"@example.com'), before("a@[127.0.0.1]")]
    emails = [email for email, _ in kept(*users)]
    migrate()
    assert kept(*users) == [(email, email) for email in emails]
    assert User.objects.get_by_natural_key("ROOT@localhost") == users[0]


def test_who_shares_a_mailbox_cannot_buy_until_they_have_it_alone(before, on_sale, api, new_key):
    keeper, other = before("alice@example.com"), before("alice+x@example.com")
    migrate()
    assert "duplicate_account" not in standing_of(keeper.pk).barriers
    assert "duplicate_account" in standing_of(other.pk).barriers
    body = {"raffle": str(on_sale().pk), "quantity": 1}
    answer = api(other).post("/api/v1/purchases/create", body, headers=new_key())
    assert_problem(answer, 403, "duplicate_account")
    assert not Purchase.objects.exists()
    # What else is saved of it changes nothing, as long as the mailbox is another's.
    other = User.objects.get(pk=other.pk)
    other.display_name = "Other"
    other.save()
    assert kept(other) == [("alice+x@example.com", None)]
    keeper.delete()
    other.save()
    assert kept(other) == [("alice+x@example.com", "alice@example.com")]
    assert standing_of(other.pk).barriers == []


def test_the_command_lists_who_shares_a_mailbox_and_gives_it_to_who_is_left(before):
    keeper, other = before("alice@example.com"), before("alice@exam\u200bple.com")
    migrate()
    assert f"{other.pk} alice@exam\u200bple.com: the mailbox is with {keeper.pk}" in report()
    assert "the mailbox is with" in report("--resolve")
    exclude_from_buying(keeper, months=6, password=None, actor=keeper)
    pseudonymise(User.objects.get(pk=keeper.pk))
    assert "--resolve" in report()
    assert "can buy" in report("--resolve")
    assert report() == ""
    assert kept(other) == [("alice@example.com", "alice@example.com")]
    # The exclusion of the one who is gone is the other's now.
    assert "self_excluded" in standing_of(other.pk).barriers


def report(*arguments: str) -> str:
    out = StringIO()
    call_command("mailboxes", *arguments, stdout=out)
    return out.getvalue()


def test_an_exclusion_of_one_counts_for_the_account_that_can_buy(before):
    keeper, other = before("a.lice@gmail.com"), before("alice@googlemail.com")
    until = timezone.now() + timedelta(days=200)
    Preferences.objects.filter(user=keeper).update(marketing_consent_at=timezone.now())
    Safeguards.objects.create(user=keeper, paused_until=until - timedelta(days=100))
    Safeguards.objects.create(user=other, excluded_until=until)
    migrate()
    assert kept(keeper, other) == [("a.lice@gmail.com", "alice@gmail.com"), ("alice@googlemail.com", None)]
    assert standing_of(keeper.pk).barriers == ["self_excluded", "paused"]
    assert Safeguards.objects.get(user=keeper).excluded_until == until
    assert Preferences.objects.get(user=keeper).marketing_consent_at is None


def test_changes_of_address_that_wait_are_canonical_or_gone(before, alice, bob):
    for user, email in ((alice, "new@exam\u200bple.com"), (bob, "new@localhost")):
        EmailChange.objects.create(user=user)
        EmailChange.objects.filter(user=user).update(email=email)
    migrate()
    assert list(EmailChange.objects.values_list("user", "email")) == [(alice.pk, "new@example.com")]
