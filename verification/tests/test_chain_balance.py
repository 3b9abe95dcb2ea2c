"""The operator's balance: read by a sweep, shown in the back office, and staff are told once while it is too little."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Notification
from verification.anchoring.balance import ETHER, LEAST_STEPS, STEP_GAS, read_balance
from verification.models import ChainAccount, Draw

from .drawing import advance_to
from .on_chain import rpc


@pytest.fixture
def account(anchored):
    yield ChainAccount.objects.create(chain_id=anchored.chain_id, address=anchored.operator)
    rpc("anvil_setBalance", anchored.operator, hex(ETHER))


def holds(account, wei: int) -> None:
    rpc("anvil_setBalance", account.address, hex(wei))
    ChainAccount.objects.update(read_at=None)


def test_a_dry_account_is_told_to_those_responsible_once_in_24_hours(
    account, mona, fiona, alice, person, run_tasks, caplog
):
    root = person("root", is_superuser=True)
    holds(account, 1)
    run_tasks()
    assert {note.user for note in Notification.objects.mails().filter(kind="chain_balance_low")} == {mona, root}
    assert "runs dry" in caplog.text
    (message,) = [each for each in mail.outbox if each.to == [mona.email]]
    assert account.address in message.body
    assert "0.000000" in message.body
    holds(account, 1)
    run_tasks()
    assert Notification.objects.mails().count() == 2
    ChainAccount.objects.update(warned_at=timezone.now() - timedelta(hours=25))
    holds(account, 1)
    run_tasks()
    assert Notification.objects.mails().count() == 4


def test_what_is_needed_grows_with_the_draws_that_are_not_finished(mine, selling):
    account = ChainAccount.objects.get()
    read_balance(account.pk)
    account.refresh_from_db()
    assert account.needed == LEAST_STEPS * STEP_GAS * mine.chain.fees().most
    assert (account.balance, account.warned_at) == (mine.chain.balance(account.address), None)
    for _ in range(LEAST_STEPS):
        selling()
    read_balance(account.pk)
    assert ChainAccount.objects.get().needed == 2 * account.needed


def test_an_account_of_a_former_key_is_left_alone(account, run_tasks, mona):
    ChainAccount.objects.update(address="0x" + "11" * 20)
    run_tasks()
    account.refresh_from_db()
    assert (account.balance, Notification.objects.mails().count()) == (None, 0)
    assert account.read_at


def test_without_its_chain_the_balance_is_read_another_time(account, settings, run_tasks, closed_port):
    from verification import clients

    settings.CHAIN_RPC_URLS = [f"http://127.0.0.1:{closed_port}"]
    clients.chain.cache_clear()
    assert run_tasks()
    account.refresh_from_db()
    assert (account.balance, account.claimed_until) == (None, None)


def test_the_back_office_shows_the_last_reading_and_asks_nobody(account, client, mona, settings, selling):
    advance_to(selling(), Draw.State.ANNOUNCED)
    ChainAccount.objects.filter(pk=account.pk).update(balance=ETHER // 2, needed=ETHER)
    settings.CHAIN_RPC_URLS = ["http://127.0.0.1:1"]
    client.force_login(mona)
    page = client.get("/admin/verification/chainaccount/").content.decode()
    assert "0.500000" in page
    assert "1.000000" in page
    draw = Draw.objects.get()
    steps = client.get(f"/admin/verification/draw/{draw.pk}/change/").content.decode()
    assert draw.steps.get().transaction.hash in steps
