"""The operator's role on the contract: handed over in two steps, both public, and by nobody else."""

import pytest

from verification.chain import Chain

from .on_chain import ZERO, DevBeacon, announce, deployed, events, funded_chain, raw_call, reverts, terms_of, transact


@pytest.fixture
def own(chain: Chain, dev: DevBeacon) -> str:
    """A contract of the test's own."""
    return deployed(chain, dev)


def test_the_role_is_handed_over_in_two_steps(chain: Chain, own: str) -> None:
    successor = funded_chain()
    transact(chain, own, "propose_operator", successor.operator)
    assert raw_call(own, "operator") == chain.operator
    announce(chain, own)
    transact(successor, own, "accept_operator")
    assert raw_call(own, "operator") == successor.operator
    assert raw_call(own, "proposed_operator") == ZERO
    announce(successor, own)
    assert "not the operator" in reverts(own, "announce", *terms_of(own), sender=chain.operator)
    assert "not proposed" in reverts(own, "accept_operator", sender=successor.operator)


def test_both_steps_are_public(chain: Chain, own: str) -> None:
    successor = funded_chain()
    transact(chain, own, "propose_operator", successor.operator)
    transact(successor, own, "accept_operator")
    assert events(own, "OperatorProposed") == [{"operator": chain.operator, "proposed": successor.operator}]
    assert events(own, "OperatorChanged") == [{"former": chain.operator, "operator": successor.operator}]


def test_only_the_operator_proposes_and_only_the_proposed_accepts(chain: Chain, own: str) -> None:
    successor, stranger = funded_chain().operator, funded_chain().operator
    assert "not the operator" in reverts(own, "propose_operator", stranger, sender=stranger)
    assert "not proposed" in reverts(own, "accept_operator", sender=chain.operator)
    transact(chain, own, "propose_operator", successor)
    assert "not the operator" in reverts(own, "propose_operator", successor, sender=successor)
    assert "not proposed" in reverts(own, "accept_operator", sender=stranger)


def test_a_proposal_is_taken_back_and_replaced(chain: Chain, own: str) -> None:
    first, second = funded_chain(), funded_chain()
    transact(chain, own, "propose_operator", first.operator)
    transact(chain, own, "propose_operator", second.operator)
    assert "not proposed" in reverts(own, "accept_operator", sender=first.operator)
    transact(chain, own, "propose_operator", ZERO)
    assert "not proposed" in reverts(own, "accept_operator", sender=second.operator)
    assert raw_call(own, "operator") == chain.operator
