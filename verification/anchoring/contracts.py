"""The draw contracts of this installation: which one new draws use, and how one is deployed."""

import logging
import time
from typing import TYPE_CHECKING

from django.conf import settings

from luxewin.clock import database_now
from verification import clients
from verification.anchoring.sending import Planned, store_signed, track
from verification.chain_types import ChainError, ChainRejected, ChainUnavailable
from verification.errors import ContractMissing
from verification.models import ChainTransaction, Contract, DrawSequence

if TYPE_CHECKING:
    from verification.chain import Chain

log = logging.getLogger(__name__)
DEPLOY_SECONDS = 600


def contract_for(sequence: int) -> Contract | None:
    """Return the contract for a new draw: CHAIN_CONTRACT, or the newest deployed one; None without a chain.

    A draw is promised even if its chain does not answer: the chain is asked only until code, operator and constants of
    the contract were found to be ours. Raises ContractMissing if nothing was deployed, if the contract is not ours,
    draws with another beacon than the configured one, or does not take this number next.
    """
    if not settings.CHAIN_RPC_URLS:
        return None
    contract = _known_contract()
    if contract is None:
        raise ContractMissing("Run `manage.py deploy_contract` first, so that this raffle's draw can be anchored.")
    ours = clients.beacon().chain_hash.hex()
    if contract.void_after != settings.DRAW_VOID_SECONDS:
        raise ContractMissing(
            f"{contract} makes draws void after {contract.void_after} s, and DRAW_VOID_SECONDS is "
            f"{settings.DRAW_VOID_SECONDS}. Set it as the contract has it, or run `manage.py deploy_contract`."
        )
    if contract.chain_hash != ours:
        raise ContractMissing(
            f"{contract} draws with the beacon {contract.chain_hash}, and BEACON_CHAIN_HASH names {ours}. "
            "Set the beacon of the contract, or unset CHAIN_CONTRACT and run `manage.py deploy_contract`."
        )
    if not contract.takes(sequence):
        raise ContractMissing(
            f"Numbers before {sequence} were promised without {contract}, which takes them without a gap. "
            "Unset CHAIN_CONTRACT and run `manage.py deploy_contract`: a new contract goes on from here."
        )
    return contract


def deploy_contract() -> Contract:
    """Deploy the draw contract for the configured beacon and wait for its confirmation, unless there is one.

    One whose operator is another than our key, or whose next number somebody else has taken, is replaced. Called again
    after a crash, it continues with the transaction under way.
    """
    chain = clients.required_chain()
    newest, known = _newest_deployed(), _known_contract()
    if known and _is_usable(known) and not _is_taken_over(chain, known):
        return known
    if settings.CHAIN_CONTRACT:
        raise ChainRejected(f"CHAIN_CONTRACT names {settings.CHAIN_CONTRACT}, which cannot take the next: unset it")
    sent = _deployment_under_way(chain) or _deploy(chain, newest)
    if sent is None:
        return deploy_contract()  # another process has just done it
    sent = _confirmed(chain, sent)
    address = chain.deployed_address(chain.operator, sent.nonce or 0)
    facts = {
        "transaction": sent.hash,
        "first_sequence": chain.next_sequence(address),
        "chain_hash": chain.beacon_of(address).hex(),
        "void_after": settings.DRAW_VOID_SECONDS,
    }
    contract, _ = Contract.objects.get_or_create(chain_id=chain.chain_id, address=address, defaults=facts)
    return contract


def _confirmed(chain: "Chain", sent: ChainTransaction) -> ChainTransaction:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while (sent := track(chain, sent)).state not in ChainTransaction.COUNTS:
        if sent.state in ChainTransaction.DEAD:
            raise ChainRejected(f"the deployment {sent.hash} is {sent.state}: the chain may lack the BLS precompiles")
        if time.monotonic() > deadline:
            raise ChainUnavailable(f"the deployment {sent.hash} is not confirmed after {DEPLOY_SECONDS} s; call again")
        time.sleep(0.3 * min(10, settings.CHAIN_CONFIRMATIONS))
    return sent


def _deployment_under_way(chain: "Chain") -> ChainTransaction | None:
    ours = ChainTransaction.objects.filter(account__chain_id=chain.chain_id, account__address=chain.operator, to="")
    last = ours.exclude(state__in=ChainTransaction.DEAD).select_related("account").last()
    return None if last is None or Contract.objects.filter(transaction=last.hash).exists() else last


def _is_usable(contract: Contract) -> bool:
    """Whether it takes the next draw number, and draws with the configured beacon and void delay."""
    ours = clients.beacon().chain_hash.hex(), settings.DRAW_VOID_SECONDS
    return (contract.chain_hash, contract.void_after) == ours and contract.takes(_next_sequence())


def _is_taken_over(chain: "Chain", contract: Contract) -> bool:
    """Whether the contract is not ours any more, or has numbers that we did not promise."""
    return bool(_faults(chain, contract)) or chain.next_sequence(contract.address) > _next_sequence()


def _faults(chain: "Chain", contract: Contract) -> list[str]:
    """List what makes it another contract than ours, as two nodes say."""
    operator = chain.operator
    return chain.contract_faults(
        contract.address, clients.beacon(), settings.DRAW_VOID_SECONDS, operator=operator, decisive=True
    )


def _deploy(chain: "Chain", newest: Contract | None) -> ChainTransaction | None:
    """Sign and store the deployment; return None if another process has finished one since `newest`."""
    beacon = clients.beacon()
    known_round = max(1, beacon.first_round_at(int(database_now().timestamp())) - 2)
    call = chain.prepare_deploy(
        beacon,
        known_round=known_round,
        known_signature=clients.client_of(beacon).fetch(known_round),
        first_sequence=_next_sequence(),
        void_after=settings.DRAW_VOID_SECONDS,
    )

    # Runs under the account's lock: two concurrent deployments agree on one transaction.
    def plan() -> list[Planned]:
        return [] if _deployment_under_way(chain) or _newest_deployed() != newest else [(call, [])]

    stored = store_signed(chain, plan)
    return stored[0] if stored else _deployment_under_way(chain)


def _next_sequence() -> int:
    """Return the next draw number; numbers have no gap, even across contracts."""
    return (DrawSequence.objects.values_list("last", flat=True).first() or 0) + 1


def _known_contract() -> Contract | None:
    contract: Contract | None
    if settings.CHAIN_CONTRACT:
        contract, _ = Contract.objects.get_or_create(chain_id=settings.CHAIN_ID, address=settings.CHAIN_CONTRACT)
    else:
        contract = _newest_deployed()
    if contract and not contract.chain_hash:
        _check(contract)
    return contract


def _newest_deployed() -> Contract | None:
    return Contract.objects.filter(chain_id=settings.CHAIN_ID).order_by("-pk").first()


def _check(contract: Contract) -> None:
    """Find out once, with two nodes, whether code, operator and constants are ours. Raises ContractMissing if not.

    It stays unchecked, and unused, while the chain does not answer.
    """
    try:
        faults = _faults(clients.required_chain(), contract)
    except ChainError as error:
        raise ContractMissing(f"The contract {contract} cannot be looked at now: {error}") from error
    if faults:
        raise ContractMissing(f"CHAIN_CONTRACT names a contract that is not ours: {'; '.join(faults)}.")
    contract.chain_hash, contract.void_after = clients.beacon().chain_hash.hex(), settings.DRAW_VOID_SECONDS
    contract.save(update_fields=["chain_hash", "void_after"])
