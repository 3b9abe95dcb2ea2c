"""The checks of the page, run under node: the same verdicts as the stand-alone verifier's, on the same bytes."""

import base64
import io
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from verification import verifier
from verification.browser.build import NODE

from .test_verifier import CSV, ENTRY_FILES, NOT_BUNDLES, SHAPES, TAMPERINGS, add_field, put
from .verifier_draws import FACTS, csv_of, development_draw, quicknet_draw, to_bytes

SCRIPT = Path(__file__).with_name("check_files.mjs")
FLIPS = 60
Case = tuple[str, bytes, bytes]


def by_the_page(cases: list[Case]) -> list[dict]:
    """What checks.js says of each."""
    encoded = [
        {"bundle": base64.b64encode(bundle).decode(), "entries": base64.b64encode(csv).decode()}
        for _, bundle, csv in cases
    ]
    command = [NODE, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", SCRIPT]
    done = subprocess.run(command, input=json.dumps(encoded), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def tampered_bundles() -> Iterator[Case]:
    for name, change, _ in TAMPERINGS:
        bundle = development_draw()
        change(bundle)
        yield name, to_bytes(bundle), CSV


def other_shapes() -> Iterator[Case]:
    for place, value in SHAPES:
        bundle = development_draw()
        put(place, value)(bundle) if place not in {"extra", "picks.0.note"} else add_field(bundle, place, value)
        yield f"{place}={value!r}", to_bytes(bundle), CSV


def no_bundles() -> Iterator[Case]:
    for name, data in NOT_BUNDLES.items():
        yield name, data, CSV


def tampered_entries() -> Iterator[Case]:
    for name, (csv, _) in ENTRY_FILES.items():
        yield name, to_bytes(development_draw()), csv


def changed_bytes() -> Iterator[Case]:
    """Any byte changed to any other, in either file; the same ones in each run."""
    dice = random.Random(20261122)
    bundle = to_bytes(development_draw())
    for number in range(FLIPS):
        files = [bytearray(bundle), bytearray(CSV)]
        target = files[number % 2]
        place = dice.randrange(len(target))
        target[place] ^= dice.randrange(1, 256)
        yield f"byte {place} of file {number % 2}", bytes(files[0]), bytes(files[1])


def strange_words() -> Iterator[Case]:
    """What JSON readers and white space of two languages could see differently."""
    words = ["\u0085", "\ufeff", "\u001f", "\u200b", "\u3000", "\u2028", "\u007f", "__proto__", "é\u0301", "\U0001f600"]
    for word in words:
        yield f"title {word!r}", to_bytes(development_draw(title=word)), CSV
    for time in ("2026-01-01T24:00:00Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.5+00:00"):
        yield f"time {time}", to_bytes(development_draw(opens_at=time)), CSV
    for price in ("5.00", "05.00", "5.", "1e3", "٣", 2**53, -1):
        yield f"price {price}", to_bytes(development_draw(ticket_price=price)), CSV
    for prize in ({"name": "A watch"}, ["A watch"], {"position": 1, "name": "A watch", "x": None}, 1, "1", False):
        bundle = development_draw()
        bundle["picks"][0]["prize"] = prize
        yield f"prize {prize}", to_bytes(bundle), CSV
    yield "__proto__", to_bytes(development_draw())[:-1] + b', "__proto__": {}}', CSV
    yield "a name twice, escaped", b'{"\\u0073eed": "00",' + to_bytes(development_draw())[1:], CSV


def honest_draws() -> Iterator[Case]:
    for size in (1, 2, 3, 7, 8, 9, 33, 100):
        entries = [(f"00000000-0000-4000-8000-{n:012x}", 1 + 3 * n, 1 + n % 3) for n in range(size)]
        yield f"{size} entries", to_bytes(development_draw(entries, capacity=1000)), csv_of(entries)
    huge = [("00000000-0000-4000-8000-000000000001", 2**53 - 1, 2**62), (ROW_BEYOND, 2**62 + 2**60, 2**61 + 1)]
    terms = {"capacity": 2**53 - 1, "max_per_person": 2**53 - 1}
    yield "numbers beyond 2^53", to_bytes(development_draw(huge, **terms)), csv_of(huge)


ROW_BEYOND = "00000000-0000-4000-8000-000000000002"
CORPUS: list[Callable[[], Iterator[Case]]] = [
    *(tampered_bundles, other_shapes, no_bundles, tampered_entries, changed_bytes, strange_words, honest_draws),
]


@pytest.mark.parametrize("corpus", CORPUS, ids=lambda corpus: corpus.__name__)
def test_the_page_and_the_verifier_name_the_same_failed_checks(corpus: Callable[[], Iterator[Case]]) -> None:
    cases = list(corpus())
    differing = {}
    for (name, bundle, csv), theirs in zip(cases, by_the_page(cases), strict=True):
        ours = [(check.name, check.ok) for check in verifier.verify(bundle, io.BytesIO(csv)).checks]
        if ours != [(check["name"], check["ok"]) for check in theirs["checks"]]:
            differing[name] = [check for check in theirs["checks"] if (check["name"], check["ok"]) not in ours]
    assert differing == {}


def test_real_quicknet_rounds_are_verified_by_the_page() -> None:
    cases = [("", to_bytes(quicknet_draw(number)), CSV) for number in range(len(FACTS["rounds"]))]
    for report in by_the_page(cases):
        assert report["verified"], report
        assert {"beacon signature", "beacon chain"} <= {check["name"] for check in report["checks"]}


def test_reasons_are_plain_ascii_and_short_whatever_the_files_hold() -> None:
    strange = "\x1b[2J\u202e\U0001f600" + "x" * 10_000
    bundle = development_draw() | {"protocol": strange}
    [report, other] = by_the_page([("", to_bytes(bundle), strange.encode()), ("", b"\xff" * 99, b"")])
    for check in (*report["checks"], *other["checks"]):
        assert check["detail"].isascii()
        assert len(check["detail"]) < 400
        assert "\x1b" not in check["detail"]


def test_every_check_has_words_for_people() -> None:
    code = (SCRIPT.parents[1] / "static" / "verification" / "explanations.js").read_text()
    report = verifier.verify(to_bytes(development_draw()), io.BytesIO(CSV))
    for check in report.checks:
        assert f"{check.name}: [" in code or f'"{check.name}": [' in code
