"""The page of a draw in headless Chromium: recomputed there, with every tampering named, and nothing asked elsewhere.

Each view is also written as a picture, to the folder that LUXEWIN_SCREENSHOTS names (else below .luxewin).
"""

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from verification import pages, proof, verifier
from verification.models import Draw

from .browser import Browser, BrowserError, Page, executable
from .drawing import advance_to, closed, committed, crowd, download
from .test_verifier import CSV, ENTRY_FILES, NOT_BUNDLES, TAMPERINGS
from .verifier_draws import development_draw, quicknet_draw, to_bytes

pytestmark = pytest.mark.django_db(transaction=True)

PICTURES = Path(os.environ.get("LUXEWIN_SCREENSHOTS") or settings.BASE_DIR / ".luxewin" / "screenshots")
PHONE = {"width": 360, "height": 740, "phone": True}
VIEWS: dict[str, dict] = {
    "desktop-light": {},
    "desktop-dark": {"dark": True},
    "phone-light": PHONE,
    "phone-dark": PHONE | {"dark": True},
}
DONE = "document.querySelector('#verdict').className !== ''"
FAILED = "[...document.querySelectorAll('#checks .failed')].map(line => line.dataset.check)"
# Text whose contrast with what lies behind it is below 4.5:1 (3:1 for large text), WCAG 2.2 AA.
FAINT = """(() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const rgba = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("main *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(rgba(style.color)), light(behind(element))].sort((a, b) => b - a);
    const needed = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if ((one + 0.05) / (other + 0.05) < needed) faint.push(element.outerHTML.slice(0, 100));
  }
  return faint;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests of this module. Where LUXEWIN_BROWSER is `required`, a missing one is a failure."""
    try:
        executable()
    except BrowserError as error:
        if os.environ.get("LUXEWIN_BROWSER") == "required":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with Browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def drawn(selling, alice) -> Callable:
    """Makes a raffle that is drawn."""

    def make(sizes=(3, 10, 1, 7, 2) * 8, **terms):
        raffle = selling(capacity=1000, **terms)
        crowd(raffle, alice, list(sizes))
        closed(raffle)
        advance_to(raffle, Draw.State.DRAWN)
        return raffle

    return make


def opened(browser: Browser, live_server, raffle, **view) -> Page:
    page = browser.page(**view)
    page.goto(f"{live_server.url}/verify/{raffle.slug}")
    return page


def quiet(page: Page, live_server) -> None:
    """Nothing was reported, and nothing asked for elsewhere."""
    assert page.complaints == []
    assert page.requests
    assert [address for address in page.requests if not address.startswith(f"{live_server.url}/")] == []


def asked(page: Page, text: str) -> str:
    """What the page answers about tickets."""
    page.evaluate("document.querySelector('#answer').className = ''")
    page.fill("#proof", text)
    page.click("#mine button")
    page.wait_for("document.querySelector('#answer').className !== ''")
    return page.evaluate("document.querySelector('#answer').className") + ": " + page.text("#answer")


def test_every_check_passes_on_phones_and_desktops_in_light_and_dark(browser, live_server, drawn):
    raffle = drawn()
    for name, view in VIEWS.items():
        page = opened(browser, live_server, raffle, **view)
        page.wait_for(DONE)
        assert "Verified: all 26 checks hold" in page.text("#verdict")
        assert page.evaluate("document.querySelectorAll('#checks .passed').length") == 26
        assert (
            page.evaluate("[...document.querySelectorAll('[data-pick-check]')].map(row => row.innerText)")
            == ["✓ recomputed on your device"] * 4
        )
        page.screenshot(PICTURES / f"drawn-{name}.png")
        page.click("#technical")
        page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
        assert page.evaluate(FAINT) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
        page.screenshot(PICTURES / f"drawn-{name}-opened.png")
        quiet(page, live_server)


@pytest.mark.parametrize("state", ["promised", "announced", "committed"])
def test_a_draw_under_way_is_readable_everywhere(browser, live_server, selling, alice, state):
    raffle = selling(delay_seconds=60, title="An uncommonly long-named Grandfeuerkomplikationsarmbanduhr")
    if state == "committed":
        crowd(raffle, alice, [3])
        committed(raffle)
    elif state == "announced":
        advance_to(raffle, Draw.State.ANNOUNCED)
    for name in ("phone-dark", "desktop-light"):
        page = opened(browser, live_server, raffle, **VIEWS[name])
        page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
        assert page.evaluate(FAINT) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(PICTURES / f"{state}-{name}.png")
        quiet(page, live_server)


def test_list_and_missing_page_are_readable_everywhere(browser, live_server, selling):
    for number in range(3):
        selling(title=f"Prize {number}")
    for path in ("verify", "verify/none"):
        for name in ("phone-light", "desktop-dark"):
            page = browser.page(**VIEWS[name])
            page.goto(f"{live_server.url}/{path}")
            assert page.evaluate(FAINT) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.screenshot(PICTURES / f"{path.replace('/', '-')}-{name}.png")


# Files of the visitor's own


CHOSEN = [
    "a manifest with a space",
    "another promise",
    "another root",
    "another signature",
    "a pick too few",
    "another ticket",
    "a turned path",
    "anchored nowhere",
]
OWN: dict[str, tuple[bytes, bytes]] = {
    "a real quicknet draw": (to_bytes(quicknet_draw()), CSV),
    "a truncated bundle": (NOT_BUNDLES["truncated"], CSV),
}


def own_files() -> dict[str, tuple[bytes, bytes]]:
    """Pairs of files by what was done to them."""
    files = dict(OWN)
    for name, change, _ in TAMPERINGS:
        if name in CHOSEN:
            bundle = development_draw()
            change(bundle)
            files[name] = to_bytes(bundle), CSV
    for name in ("reordered", "last row missing", "entry twice", "truncated"):
        files[f"entries: {name}"] = to_bytes(development_draw()), ENTRY_FILES[name][0]
    return files


def test_files_of_ones_own_fail_exactly_the_checks_that_the_verifier_names(browser, live_server, on_sale, tmp_path):
    page = opened(browser, live_server, on_sale(), **PHONE)
    bundle_file, entries_file = tmp_path / "bundle.json", tmp_path / "entries.csv"
    for name, (bundle, csv) in own_files().items():
        bundle_file.write_bytes(bundle)
        entries_file.write_bytes(csv)
        page.choose("#own-bundle", bundle_file)
        page.choose("#own-entries", entries_file)
        page.click("#own button")
        page.wait_for(f"{DONE} && document.querySelectorAll('#checks li').length === 26")
        failed = [check.name for check in verifier.verify(bundle, io.BytesIO(csv)).checks if not check.ok]
        assert page.evaluate(FAILED) == failed, name
        assert ("Not verified" in page.text("#verdict")) == bool(failed)
        assert page.evaluate("document.querySelector('#verdict').className") == ("bad" if failed else "good")
    assert page.evaluate(FAINT) == []
    page.screenshot(PICTURES / "tampered-phone-light.png")
    quiet(page, live_server)
    assert not [address for address in page.requests if "/api/" in address]


def test_a_tampered_bundle_is_shown_with_what_it_means(browser, live_server, on_sale, tmp_path):
    bundle = development_draw()
    bundle["picks"][0]["ticket"] += 1
    (tmp_path / "bundle.json").write_bytes(to_bytes(bundle))
    (tmp_path / "entries.csv").write_bytes(CSV)
    raffle = on_sale()
    for name in ("desktop-light", "desktop-dark", "phone-dark"):
        page = opened(browser, live_server, raffle, **VIEWS[name])
        page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
        page.choose("#own-bundle", tmp_path / "bundle.json")
        page.choose("#own-entries", tmp_path / "entries.csv")
        page.click("#own button")
        page.wait_for(DONE)
        assert "Not verified: 1 check failed" in page.text("#verdict")
        for place in ("#verdict", "#checks .failed"):
            assert "A pick names a ticket or entry that was not picked." in page.text(place)
        assert page.evaluate(FAINT) == []
        page.screenshot(PICTURES / f"tampered-{name}.png")


def test_a_missing_file_is_asked_for(browser, live_server, on_sale):
    page = opened(browser, live_server, on_sale())
    page.click("#own button")
    page.wait_for(DONE)
    assert "Please choose both files" in page.text("#verdict")


# A server that lies, or breaks off


def test_a_server_that_serves_another_winner_is_caught(browser, live_server, drawn, monkeypatch):
    """Another ticket won than the page shows: the result file and the page cannot both be right."""
    raffle = drawn()
    honest = proof.bundle

    def lying(draw: Draw) -> dict:
        told = honest(draw)
        told["picks"][0] |= {"ticket": 184, "index": 183}
        return told

    monkeypatch.setattr(proof, "bundle", lying)
    page = opened(browser, live_server, raffle)
    page.wait_for(DONE)
    assert page.evaluate(FAILED) == ["picks indices", "picks entries", "picks paths"]
    assert "names another ticket" in page.text("[data-pick-check][data-position='1']")
    page.screenshot(PICTURES / "lying-desktop-light.png")


def test_a_download_that_fails_is_a_failed_check_and_can_be_tried_again(browser, live_server, drawn):
    page = opened(browser, live_server, drawn())
    page.wait_for(DONE)
    address = page.evaluate("document.querySelector('#check').dataset.entries")
    page.evaluate("document.querySelector('#check').dataset.entries += '.none'")
    page.click("#again")
    page.wait_for("document.querySelector('#verdict').className === 'bad'")
    found = page.evaluate("document.querySelector('[data-check=\"entries file\"]').textContent")
    assert "it could not be downloaded: the server answers 404" in found
    page.evaluate(f"document.querySelector('#check').dataset.entries = {address!r}")
    page.click("#again")
    page.wait_for("document.querySelector('#verdict').className === 'good'")


# Large files, keyboards, no scripts


def test_many_entries_are_not_downloaded_unasked_and_the_keyboard_can_ask(browser, live_server, drawn, monkeypatch):
    monkeypatch.setattr(pages, "UNASKED_ENTRIES", 39)
    page = opened(browser, live_server, drawn(), **PHONE)
    assert page.text("#again") == "Check this draw (downloads about 0.0 MB)"
    assert not [address for address in page.requests if "/api/" in address]
    page.evaluate("document.querySelector('nav a').focus()")
    for _ in range(20):
        page.press(["Tab"])
        if page.evaluate("document.activeElement.id") == "again":
            break
    page.press(["Enter"])
    page.wait_for(DONE)
    assert "Verified" in page.text("#verdict")


def test_without_scripts_everything_is_there_but_the_check(browser, live_server, drawn):
    page = browser.page(**PHONE)
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.call("Page.navigate", url=f"{live_server.url}/verify/{drawn().slug}")
    page.wait_for("document.readyState === 'complete' && document.querySelector('#check') !== null")
    page.screenshot(PICTURES / "no-scripts-phone-light.png")
    assert "Your browser runs no scripts" in page.text("#check")
    assert page.evaluate("document.querySelector('#again').checkVisibility()") is False


# Were my tickets in?


def test_a_purchases_proof_says_that_its_tickets_were_in(browser, live_server, drawn, alice, api, tmp_path):
    raffle = drawn()
    purchase = raffle.purchases.get(first_ticket=4)
    path = api(alice).get(f"/api/v1/verification/{raffle.pk}/entries/{purchase.pk}").json()
    page = opened(browser, live_server, raffle, **PHONE)
    page.wait_for(DONE)
    answer = asked(page, json.dumps(path))
    assert answer.startswith("good: Yes. Tickets 4 to 13 (10 tickets) are in the draw, with 3 tickets before them.")
    assert "recomputed from all the entries" in answer
    page.screenshot(PICTURES / "my-tickets-phone-light.png")
    assert "misstates how many" in asked(page, json.dumps(path | {"tickets_before": 4}))
    assert "does not lead to" in asked(page, json.dumps(path | {"count": 11}))
    assert "another fingerprint" in asked(page, json.dumps(path | {"root": "00" * 32}))
    assert "another raffle" in asked(page, json.dumps(path | {"raffle": str(purchase.pk)}))
    assert asked(page, "{").startswith("bad: This proof does not hold: not valid JSON")
    (tmp_path / "proof.json").write_text(json.dumps(path))
    page.evaluate("document.querySelector('#answer').className = ''")
    page.choose("#proof-file", tmp_path / "proof.json")
    page.wait_for("document.querySelector('#answer').className === 'good'")
    quiet(page, live_server)


def test_a_proof_holds_as_soon_as_the_root_is_published(browser, live_server, selling, alice, api):
    raffle = selling(delay_seconds=60)
    crowd(raffle, alice, [3, 2, 4])
    committed(raffle)
    path = api(alice).get(f"/api/v1/verification/{raffle.pk}/entries/{raffle.purchases.get(first_ticket=4).pk}").json()
    page = opened(browser, live_server, raffle)
    answer = asked(page, json.dumps(path))
    assert answer.startswith("good: Yes. Tickets 4 to 5 (2 tickets) are in the draw, with 3 tickets before them.")
    assert "as published on this page" in answer
    assert "no chain holds it" in answer
    assert "let the check above read the entries first" in asked(page, "4")


def test_a_ticket_or_entry_is_found_among_the_entries(browser, live_server, drawn, client, tmp_path):
    raffle = drawn()
    _, entries = download(client, raffle, tmp_path)
    last = entries.read_text().splitlines()[-1].split(",")
    page = opened(browser, live_server, raffle)
    page.wait_for(DONE)
    assert f"Ticket {last[1]} is in the draw: entry {last[0]}" in asked(page, f" {last[1]} ")
    assert "entry 40 of 40" in asked(page, last[0].upper())
    assert asked(page, "185").startswith("bad: Ticket 185 is not in the draw.")
    assert asked(page, "99999999999999999999").startswith("bad: Ticket 99999999999999999999 is not in")
    assert "Please type" in asked(page, "mine")
    picked = raffle.draw.picks.first()
    assert f"Ticket {picked.ticket} was pick 1: winner." in asked(page, str(picked.ticket))
