"""Accounts that came in without a mailbox: one of each mailbox gets it, the others cannot buy, none is lost."""

from io import StringIO

import pytest
from django.core.management import call_command

from accounts.eligibility import eligibility_of
from accounts.models import User
from accounts.services import exclude_from_buying
from accounts.services.deletion import pseudonymise
from luxewin.tests.asking import assert_problem
from purchases.models import Purchase


@pytest.fixture
def before(person):
    """Makes an account as it may be stored from elsewhere: an address in any spelling, and no mailbox yet."""

    def make(email: str, **fields: object) -> User:
        user = person(f"n{User.objects.count()}", **fields)
        User.objects.filter(pk=user.pk).update(email=email)
        User.objects.filter(pk=user.pk).update(mailbox=None)
        return user

    return make


def kept(*people: User) -> list[tuple[str, str | None]]:
    return [User.objects.values_list("email", "mailbox").get(pk=user.pk) for user in people]


def test_what_no_mail_reaches_stays_as_it_is_and_bars_nobody(before):
    users = [before("root@localhost"), before('"a b"@example.com'), before("a@[127.0.0.1]")]
    emails = [email for email, _ in kept(*users)]
    report("--resolve")
    assert kept(*users) == [(email, email) for email in emails]
    assert User.objects.get_by_natural_key("ROOT@localhost") == users[0]


def test_who_shares_a_mailbox_cannot_buy_until_they_have_it_alone(before, on_sale, api, new_key):
    keeper, other = before("alice@example.com"), before("alice+x@example.com")
    report("--resolve")
    assert "duplicate_account" not in eligibility_of(keeper.pk).barriers
    assert "duplicate_account" in eligibility_of(other.pk).barriers
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
    assert eligibility_of(other.pk).barriers == []


def test_the_command_lists_who_shares_a_mailbox_and_gives_it_to_who_is_left(before):
    keeper, other = before("alice@example.com"), before("alice@exam\u200bple.com")
    report("--resolve")
    assert f"{other.pk} alice@exam\u200bple.com: the mailbox is with {keeper.pk}" in report()
    assert "the mailbox is with" in report("--resolve")
    exclude_from_buying(keeper, months=6, password=None, actor=keeper)
    pseudonymise(User.objects.get(pk=keeper.pk))
    assert "--resolve" in report()
    assert "can buy" in report("--resolve")
    assert report() == ""
    assert kept(other) == [("alice@example.com", "alice@example.com")]
    # The exclusion of the one who is gone is the other's now.
    assert "self_excluded" in eligibility_of(other.pk).barriers


def report(*arguments: str) -> str:
    out = StringIO()
    call_command("mailboxes", *arguments, stdout=out)
    return out.getvalue()
