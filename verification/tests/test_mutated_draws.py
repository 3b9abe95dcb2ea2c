"""Changed at random, a draw gets the same verdict from the verifier and the page's checks, and neither stumbles.

`MUTATED_DRAWS=N` makes so many, `MUTATED_SEED` others.
"""

import os
from pathlib import Path
from typing import Any

from verification import verifier

from .mutants import Files, mutants
from .page_node import Case, by_the_page

COUNT = int(os.environ.get("MUTATED_DRAWS", "150"))
SEED = int(os.environ.get("MUTATED_SEED", "20261130"))
VERDICTS = {"verified": "VERIFIED", "consistent": "CONSISTENT", "not verified": "NOT VERIFIED", "unread": "NOT JUDGED"}
NOT_JUDGED = "NOT JUDGED"
# What the page says of anything thrown that is no answer of its checks.
STUMBLES = ("could not be judged here", "too large for this device", "it cannot be read")


def by_the_verifier(files: Files, folder: Path) -> tuple[str, str]:
    """Its verdict, and what it says of the receipt; as the command would, but in this process."""
    paths = {}
    for name, data in files._asdict().items():
        if data is not None:
            paths[name] = folder / name
            paths[name].write_bytes(data)
    receipt = ["--receipt", paths.pop("receipt")] if files.receipt is not None else []
    options = verifier.read_options([str(word) for word in (*paths.values(), *receipt)])
    try:
        report = verifier.verify_paths(options)
    except verifier.Unreadable:
        return NOT_JUDGED, ""
    assert all(line.detail.isascii() for line in report.lines)
    said = [line for line in report.lines if line.name.startswith("receipt ") and line.name != "receipt key"]
    return report.verdict, word_of(said[0]) if said else ""


def word_of(line: verifier.Line) -> str:
    if line.state == verifier.UNUSABLE:
        return "not a receipt"
    word = line.detail.partition(":")[0]
    if word == "another manifest's":
        return "contradicting" if line.state == verifier.FAILED else word
    return word if line.state != verifier.UNCHECKED else "not checked"


def of_the_page(report: dict[str, Any]) -> tuple[str, str]:
    """The same of the page, which calls a text that is no receipt one, without a verdict of its own."""
    [word] = [answer["outcome"] for answer in report["answers"]] or [""]
    word = "not a receipt" if word == "nothing" else word
    verdict = VERDICTS[report["verdict"]]
    if word == "not a receipt" and verdict != "NOT VERIFIED":
        verdict = NOT_JUDGED
    return verdict, word


def stumbles(report: dict[str, Any]) -> list[str]:
    said = [check["detail"] for check in report["checks"]]
    said += [line for answer in report["answers"] for line in answer["lines"]]
    return [line for line in said if any(words in line for words in STUMBLES)]


def test_every_changed_draw_gets_one_verdict_from_both(tmp_path: Path) -> None:
    made = list(mutants(SEED, COUNT))
    cases = [
        Case(*files[:3], () if files.receipt is None else (files.receipt.decode(errors="replace"),))
        for _, files in made
    ]
    differing, verdicts = [], set()
    for number, ((name, files), report) in enumerate(zip(made, by_the_page(cases), strict=True)):
        (theirs, their_word), (ours, our_word) = by_the_verifier(files, tmp_path), of_the_page(report)
        verdicts.add(theirs)
        if theirs != ours or stumbles(report) or (theirs == "CONSISTENT" and their_word != our_word):
            why = [check["detail"] for check in report["failed"] + report["unread"]]
            differing.append((number, name, (theirs, their_word), (ours, our_word), stumbles(report), why))
    assert differing == []
    assert verdicts == {"CONSISTENT", "NOT VERIFIED", NOT_JUDGED}
