"""The draw's place on its chain, as nodes of the visitor's choice report it: the page's comparison, run under node."""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from .node_server import RUNTIME, STATUS, Node, selector
from .page_node import STATIC, Case, by_the_page
from .servers import serving
from .verifier_draws import Draw, development_draw, quicknet_draw

CODE = (STATIC / "place.js").read_text()


def asked_each(draw: Draw, *asked: list[Node]) -> list[dict[str, Any]]:
    """The page's reports on the draw, once with each of these lists of nodes asked."""
    with ExitStack() as stack:
        urls = [[stack.enter_context(serving(node.serve)) for node in nodes] for nodes in asked]
        return by_the_page([Case.of(draw, nodes="\n".join(each)) for each in urls])


def asked(draw: Draw, *nodes: Node) -> dict[str, Any]:
    [report] = asked_each(draw, [*nodes])
    return report


def test_the_pinned_code_is_the_contracts() -> None:
    [(size, digest)] = re.findall(r'RUNTIME = \{ bytes: (\d+), sha256: "([0-9a-f]{64})" \}', CODE)
    assert (int(size), digest) == (len(RUNTIME), hashlib.sha256(RUNTIME).hexdigest())


def test_the_selectors_are_those_of_the_contracts_functions() -> None:
    found = dict(re.findall(r'"(\w+\(\w*\))": "([0-9a-f]{8})"', CODE))
    assert found == {name: selector(name) for name in found}
    assert len(found) == 6


def test_nodes_that_confirm_the_place_make_a_draw_verified() -> None:
    draw = quicknet_draw(chain_id=1)
    for nodes in (
        [Node.honest(draw)],
        [Node.honest(draw), Node.honest(draw), replace(Node.honest(draw), finalized=4000)],
    ):
        report = asked(draw, *nodes)
        assert (report["verdict"], report["gaps"], report["failed"]) == ("verified", [], [])
    assert report["place"]["block"] == 4000


def test_on_a_development_chain_the_best_verdict_is_consistent() -> None:
    draw = development_draw(chain_id=31337)
    report = asked(draw, Node.honest(draw))
    assert (report["verdict"], report["isDevelopment"]) == ("consistent", True)
    assert len(report["gaps"]) == 1  # its beacon


def test_the_place_is_compared_at_every_stage() -> None:
    stages = [("published", "announced"), ("committed", "committed"), ("drawn", "committed"), ("drawn", "settled")]
    for stage, status in stages:
        draw = development_draw(chain_id=1, made={"stage": stage})
        draw.bundle["settlement"] = draw.bundle["settlement"] if status == "settled" else None
        report = asked(draw, Node.honest(draw, status))
        assert (report["failed"], report["place"]["unchecked"]) == ([], "")


def other_words() -> Iterator[tuple[str, Callable[[Node], object]]]:
    for name in (
        "raffle",
        "sequence",
        "delay_seconds",
        "commit_by",
        "committed_at",
        "tickets",
        "wanted",
        "round",
        "seed",
    ):
        yield name, lambda node, name=name: node.draw.update({name: node.draw[name] + 1})  # type: ignore[misc]
    for name in ("CHAIN_HASH()", "GENESIS_TIME()", "PERIOD()", "VOID_AFTER()", "public_key()"):
        yield name, lambda node, name=name: node.constants.update({name: [word + 1 for word in node.constants[name]]})  # type: ignore[misc]
    yield "announced late", lambda node: node.draw.update(announced_at=node.draw["announced_at"] + 2)
    for name in ("announced", "committed", "void", "lapsed"):
        yield name, lambda node, name=name: node.draw.update(status=STATUS[name])  # type: ignore[misc]
    yield "unknown", lambda node: node.draw.clear()
    yield "no code", lambda node: setattr(node, "code", b"")
    yield "other code", lambda node: setattr(node, "code", b"\0" + node.code[1:])
    yield "cut code", lambda node: setattr(node, "code", node.code[:500])
    yield "another chain", lambda node: setattr(node, "chain_id", 5)


def test_nodes_that_agree_on_something_else_convict() -> None:
    draw = quicknet_draw(chain_id=1)
    nodes = {}
    for name, change in other_words():
        change(nodes.setdefault(name, Node.honest(draw)))
    reports = asked_each(draw, *([node] for node in nodes.values()))
    for name, report in zip(nodes, reports, strict=True):
        assert report["verdict"] == "not verified", name
        assert {check["name"] for check in report["failed"]} == {"place"}


def test_a_commitment_on_the_chain_is_compared_until_the_settlement() -> None:
    draw = quicknet_draw(chain_id=1)
    draw.bundle["settlement"] = None
    node = Node.honest(draw, "committed")
    node.draw["commitment"] += 1
    assert asked(draw, node)["verdict"] == "not verified"


def test_nodes_that_do_not_settle_it_leave_the_place_unchecked() -> None:
    draw = quicknet_draw(chain_id=1)
    node = Node.honest(draw)
    doubts: list[tuple[list[Node], str]] = [
        ([replace(node, status=503)], "answers 503"),
        ([replace(node, finalized=None)], "has no finalized block"),
        ([replace(node, finalized=1999)], "not final yet"),
        ([node, replace(node, block_hash="0x" + "b2" * 32)], "contradict each other about block"),
        ([node, replace(node, draw=node.draw | {"sequence": 8})], "contradict each other"),
        ([node, replace(node, code=b"")], "contradict each other"),
        ([node, replace(node, chain_id=5)], "different chains"),
    ]
    reports = asked_each(draw, *(nodes for nodes, _ in doubts))
    for (_, expected), report in zip(doubts, reports, strict=True):
        assert (report["verdict"], report["failed"]) == ("consistent", [])
        assert any(expected in gap for gap in report["gaps"]), report["gaps"]


@pytest.mark.parametrize("nodes", [" ", "file:///etc/passwd", "node.example", "http://127.0.0.1:1", "https://a " * 11])
def test_what_is_no_node_or_does_not_answer_leaves_the_place_unchecked(nodes: str) -> None:
    [report] = by_the_page([Case.of(quicknet_draw(chain_id=1), nodes=nodes)])
    assert (report["verdict"], report["failed"]) == ("consistent", [])
    assert report["place"]["unchecked"]


def test_a_settlement_that_is_not_final_yet_convicts_nobody() -> None:
    draw = quicknet_draw(chain_id=1)
    node = replace(Node.honest(draw, "committed"), finalized=2999)
    assert asked(draw, node)["verdict"] == "verified"
