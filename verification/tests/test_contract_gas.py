"""What each call of the draw contract costs, in gas, on a node with Prague's rules: the table of docs/contract.md.

Gas depends on the code and the arguments alone; zero bytes among the arguments and repeated picks move it by a few
hundred, so that bounds are held by several draws each.
"""

import pytest

from verification.chain import Chain

from .on_chain import (
    DevBeacon,
    commit,
    commit_together,
    deploy,
    deployed,
    funded_chain,
    in_a_later_second,
    latest_time,
    mine_at,
    mined,
    new_hash,
    overdue,
    settle,
    settle_many,
    terms_of,
    transact,
)

TICKETS = 1_000_000


def test_deploying_stays_within_its_bound(chain: Chain, dev: DevBeacon) -> None:
    _, transaction = deploy(chain, dev.beacon, known_round=1, known_signature=dev.sign(1), first_sequence=1)
    assert mined(chain, transaction).gas_used <= 2_800_000


def test_the_steps_before_the_draw_stay_within_their_bounds(chain: Chain, contract: str) -> None:
    # A year's sale, a delay of an hour: fewer zero bytes than anything usual has.
    terms = terms_of(contract, delay_seconds=3601, commit_by=latest_time() + 31_536_000)
    assert transact(chain, contract, "announce", *terms).gas_used <= 80_000
    in_a_later_second()
    assert transact(chain, contract, "commit", terms[1], new_hash(), TICKETS, 3).gas_used <= 60_000


@pytest.mark.parametrize(
    ("wanted", "bound"), [(1, 165_000), (3, 168_000), (10, 175_000), (100, 450_000)], ids=["1", "3", "10", "100"]
)
def test_settling_stays_within_its_bounds(chain: Chain, contract: str, dev: DevBeacon, wanted: int, bound: int) -> None:
    for _ in range(5):
        manifest_hash = commit(chain, contract, TICKETS, wanted)
        signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
        assert settle(chain, contract, manifest_hash, signature).gas_used <= bound


def test_the_dearest_draw_fits_well_into_a_block(chain: Chain, contract: str, dev: DevBeacon) -> None:
    # A hundred picks of a hundred tickets take some 520 numbers, most of them repeated.
    manifest_hash = commit(chain, contract, 100, 100)
    signature = dev.sign(chain.draw_state(contract, manifest_hash).round)
    assert settle(chain, contract, manifest_hash, signature).gas_used <= 2_000_000


@pytest.mark.parametrize(
    ("draws", "wanted", "bound"), [(2, 3, 95_000), (4, 1, 60_000), (4, 3, 60_000), (8, 3, 40_000)], ids=str
)
def test_draws_settled_together_stay_within_their_bounds(
    chain: Chain, contract: str, dev: DevBeacon, draws: int, wanted: int, bound: int
) -> None:
    for _ in range(2):
        together = commit_together(chain, contract, *[(TICKETS, wanted)] * draws)
        signature = dev.sign(chain.draw_state(contract, together[0]).round)
        assert settle_many(chain, contract, together, signature).gas_used <= draws * bound


def test_the_void_path_stays_within_its_bounds(chain: Chain, contract: str, dev: DevBeacon) -> None:
    manifest_hash = overdue(chain, contract, dev)
    assert transact(chain, contract, "declare_void", manifest_hash).gas_used <= 42_000
    mine_at(chain.draw_state(contract, manifest_hash).void_at)
    assert transact(chain, contract, "void", manifest_hash).gas_used <= 35_000


def test_handing_over_the_operator_s_role_stays_within_its_bounds(chain: Chain, dev: DevBeacon) -> None:
    contract, successor = deployed(chain, dev), funded_chain()
    assert transact(chain, contract, "propose_operator", successor.operator).gas_used <= 50_000
    assert transact(successor, contract, "accept_operator").gas_used <= 35_000
