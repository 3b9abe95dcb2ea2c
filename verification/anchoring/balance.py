"""The operator's balance, compared with what the next steps cost."""

import logging
from datetime import timedelta

from django.db.models import Q

from accounts.alerts import alert_staff
from luxewin.clock import database_now
from verification import clients
from verification.chain_types import ChainError, ChainTooDear
from verification.models import ChainAccount, Draw

log = logging.getLogger(__name__)
STEP_GAS = 200_000  # a settlement with many picks; the others cost less
LEAST_STEPS = 10
EVERY = timedelta(hours=24)
ETHER = 10**18


def read_balance(account_id: int) -> None:
    """Store the operator's balance and what is needed; alert staff once in 24 hours while it is too low."""
    account = ChainAccount.objects.get(pk=account_id)
    now = database_now()
    row = ChainAccount.objects.filter(pk=account_id)
    row.update(read_at=now, claimed_until=None)
    try:
        chain = clients.required_chain()
        if account.address != chain.operator:
            return  # the account of a former key
        balance, needed = chain.balance(account.address), _needed(chain.chain_id)
    except ChainError as error:
        log.warning("the balance of %s cannot be read: %s", account.address, error)
        return
    row.update(balance=balance, needed=needed)
    if balance >= needed:
        row.update(warned_at=None)
        return
    facts = {"address": account.address, "chain_id": account.chain_id}
    facts |= {"balance": f"{balance / ETHER:.6f}", "needed": f"{needed / ETHER:.6f}"}
    log.warning("%(address)s on chain %(chain_id)s runs dry: it has %(balance)s, needed are %(needed)s", facts)
    if row.filter(Q(warned_at=None) | Q(warned_at__lte=now - EVERY)).update(warned_at=now):
        alert_staff("chain_balance_low", about=f"{account.pk}:{now.timestamp()}", **facts)


def _needed(chain_id: int) -> int:
    """Return in wei what two steps for each unfinished anchored draw cost at today's fees."""
    chain = clients.required_chain()
    open_draws = Draw.objects.filter(contract__chain_id=chain_id).exclude(
        state__in=(Draw.State.SETTLED, Draw.State.VOID)
    )
    try:
        price = chain.fees().most
    except ChainTooDear:
        price = chain.max_fee
    return max(LEAST_STEPS, 2 * open_draws.count()) * STEP_GAS * price
