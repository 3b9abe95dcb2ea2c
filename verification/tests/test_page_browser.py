"""The page of a draw in headless Chromium: verdicts, receipts, nodes, files that fail, nothing asked elsewhere.

The page is the product's own template, over draws that tests make. Each view is also written as a picture, to the
folder that LUXEWIN_SCREENSHOTS names (else below .luxewin).
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from verification.pages import CHECK_POLICY

from .browser import Browser, BrowserError, Page, executable
from .node_server import Node
from .page_server import Answer, PageServer
from .servers import serving
from .verifier_draws import Draw, development_draw, quicknet_draw, to_bytes

PICTURES = Path(os.environ.get("LUXEWIN_SCREENSHOTS") or settings.BASE_DIR / ".luxewin" / "screenshots")
PHONE = {"width": 390, "height": 844, "phone": True}
VIEWS: dict[str, dict] = {
    "wide-light": {},
    "wide-dark": {"dark": True},
    "phone-light": PHONE,
    "phone-dark": PHONE | {"dark": True},
}
VERDICT = "document.querySelector('#verdict').className"
DONE = f"{VERDICT} !== ''"
FAILED = "[...document.querySelectorAll('#checks .failed')].map(line => line.dataset.check)"
OPEN_ALL = "document.querySelectorAll('details').forEach(box => box.open = true)"
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


def opened(browser: Browser, server: PageServer, **view: Any) -> Page:
    page = browser.page(**view)
    page.goto(server.url)
    return page


def checked(browser: Browser, server: PageServer, **view: Any) -> Page:
    page = opened(browser, server, **view)
    page.wait_for(DONE)
    return page


def quiet(page: Page, server: PageServer) -> None:
    """Nothing was reported, and nothing asked for elsewhere."""
    assert page.complaints == []
    assert page.requests
    assert [address for address in page.requests if not address.startswith(f"{server.origin}/")] == []


def asked(page: Page, text: Any) -> str:
    """What the page answers about tickets."""
    page.evaluate("document.querySelector('#answer').replaceChildren()")
    page.fill("#receipt", text if isinstance(text, str) else json.dumps(text))
    page.click("#mine button")
    page.wait_for('!["", "The files are read first…"].includes(document.querySelector(\'#answer\').textContent)')
    return page.evaluate("document.querySelector('#answer').className") + ": " + page.text("#answer")


def ask_nodes(page: Page, *nodes: str) -> None:
    page.evaluate("document.querySelector('#place').open = true")
    page.fill("#nodes", "\n".join(nodes))
    page.evaluate("document.querySelector('#verdict').className = ''")
    page.click("#ask-nodes button")
    page.wait_for(DONE)


def watch_draw(**made: Any) -> Draw:
    return quicknet_draw(chain_id=1, title="A steel chronograph", **made)


# Verdicts


def test_consistent_is_shown_in_its_own_colour_with_what_was_not_checked(browser: Browser) -> None:
    for name, view in VIEWS.items():
        with PageServer(watch_draw()) as server:
            page = checked(browser, server, **view)
            assert page.evaluate(VERDICT) == "partly"
            assert "CONSISTENT" in page.text("#verdict .headline")
            assert "35 checks hold" in page.text("#verdict")
            assert "The place: no node was asked" in page.text("#verdict .reasons")
            recomputed = page.evaluate("[...document.querySelectorAll('[data-pick-check]')].map(row => row.innerText)")
            assert recomputed == ["✓ recomputed on your device"] * 4
            page.screenshot(PICTURES / f"consistent-{name}.png")
            page.evaluate(OPEN_ALL)
            assert page.evaluate(FAINT) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
            page.screenshot(PICTURES / f"consistent-{name}-opened.png")
            quiet(page, server)
            page.close()


def test_nodes_of_the_visitors_choice_make_it_verified(browser: Browser) -> None:
    draw = watch_draw()
    node = Node.honest(draw)
    with PageServer(draw) as server, serving(node.serve) as one, serving(node.serve) as other:
        for name in ("wide-light", "phone-light"):
            page = checked(browser, server, **VIEWS[name])
            assert node.asked == []  # nobody is asked by default
            ask_nodes(page, one, other)
            assert page.evaluate(VERDICT) == "good"
            assert "VERIFIED" in page.text("#verdict .headline")
            assert "All 2 nodes that you named confirm that the chain holds the same, at block 5,000" in page.text(
                "#verdict"
            )
            assert page.evaluate(FAINT) == []
            page.screenshot(PICTURES / f"verified-{name}.png")
            assert page.complaints == []
            page.close()
            node.asked.clear()


def test_nodes_that_say_otherwise_or_nothing_are_shown(browser: Browser) -> None:
    draw = watch_draw()
    node = Node.honest(draw)
    other = replace(node, draw=node.draw | {"committed_at": node.draw["committed_at"] + 300})
    with PageServer(draw) as server, serving(other.serve) as liar, serving(replace(node, status=429).serve) as busy:
        page = checked(browser, server)
        ask_nodes(page, liar)
        assert page.evaluate(VERDICT) == "bad"
        assert "The chain says something else than these files." in page.text("#verdict")
        ask_nodes(page, busy)
        assert page.evaluate(VERDICT) == "partly"
        assert "answers 429" in page.text("#verdict .reasons")
        ask_nodes(page, "my node")
        assert "is not the address of a node" in page.text("#verdict .reasons")


def test_a_tampered_result_is_not_verified_with_each_failed_check_named(browser: Browser) -> None:
    draw = watch_draw()
    draw.bundle["picks"][0]["ticket"] += 1
    draw.bundle["seed"] = "00" * 32
    with PageServer(draw) as server:
        for name, view in VIEWS.items():
            page = checked(browser, server, **view)
            assert page.evaluate(VERDICT) == "bad"
            assert "NOT VERIFIED" in page.text("#verdict .headline")
            assert page.evaluate(FAILED) == ["seed", "picks entries"]
            assert "A pick names a ticket or entry that was not picked." in page.text("#verdict .reasons")
            page.evaluate(OPEN_ALL)
            assert page.evaluate(FAINT) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.screenshot(PICTURES / f"tampered-{name}.png")
            page.close()


def test_a_server_that_shows_another_winner_than_its_files_is_caught(browser: Browser) -> None:
    draw, shown = watch_draw(), watch_draw()
    shown.bundle["picks"][0]["ticket"] += 1
    with PageServer(shown) as server:
        server.serve_files(*draw.files)
        page = checked(browser, server)
        assert "names another ticket" in page.text("[data-pick-check][data-position='1']")
        assert "recomputed" in page.text("[data-pick-check][data-position='2']")


def test_a_development_draw_says_so_first(browser: Browser) -> None:
    with PageServer(development_draw(chain_id=31337)) as server:
        page = checked(browser, server, **PHONE)
        assert page.text("#verdict").startswith("DEVELOPMENT")
        assert page.evaluate(VERDICT) == "partly"
        assert page.evaluate(FAINT) == []
        page.screenshot(PICTURES / "development-phone-light.png")


def test_a_short_wait_before_the_draw_is_pointed_out(browser: Browser) -> None:
    with PageServer(watch_draw(delay_seconds=600)) as server:
        page = checked(browser, server)
        assert "Only 600 seconds lie between the commitment and the draw" in page.text("#verdict")


def test_the_facts_of_a_verdict_are_behind_a_fold_with_links(browser: Browser) -> None:
    with PageServer(watch_draw(), explorer="https://explorer.example") as server:
        page = checked(browser, server)
        assert page.evaluate("document.querySelector('#facts-list').checkVisibility()") is False
        page.evaluate(OPEN_ALL)
        facts = page.text("#facts-list")
        for fact in (
            "A steel chronograph",
            "on chain 1",
            "900 seconds",
            "23, in 5 entries; 10 were withdrawn",
            "Pick 4",
        ):
            assert fact in facts
        links = page.evaluate("[...document.querySelectorAll('#facts-list a')].map(link => link.href)")
        assert len(links) == 4
        assert all(link.startswith("https://explorer.example/") for link in links)


def test_times_are_in_the_visitors_zone_with_utc_beside(browser: Browser) -> None:
    with PageServer(watch_draw()) as server:
        page = browser.page()
        page.call("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
        page.goto(server.url)
        page.wait_for(DONE)
        assert "24 Aug 2023, 00:59:24" in page.text("main time")
        assert page.evaluate("document.querySelector('main time').title") == "23 Aug 2023, 15:59:24 UTC"


# Files that cannot be had, or are not all there


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("/api/bundle", {"status": 503}, "The result: it could not be downloaded: the server is busy"),
        ("/api/entries.csv", {"status": 429}, "The entries: it could not be downloaded: too many requests"),
        ("/api/log", {"status": 404}, "The log: it could not be downloaded: the server answers 404"),
        ("/api/entries.csv", {"cut": 200}, "The entries: it could not be read to its end"),
        ("/api/log", {"cut": 0}, "The log: it could not be"),
        ("/api/bundle", {"cut": 1000}, "The result: it could not be read to its end"),
    ],
)
def test_a_file_that_fails_is_no_verdict_and_can_be_tried_again(
    browser: Browser, path: str, change: dict, expected: str
) -> None:
    with PageServer(watch_draw()) as server:
        good = server.answers[path]
        server.answers[path] = replace(good, **change)
        page = checked(browser, server, **PHONE)
        assert page.evaluate(VERDICT) == "open"
        assert "Could not be checked" in page.text("#verdict .headline")
        assert expected in page.text("#verdict .reasons")
        assert page.evaluate(FAILED) == []
        server.answers[path] = good
        page.click("#verdict .retry")
        page.wait_for(f"{VERDICT} === 'partly'")
        page.close()


def test_offline_is_its_own_outcome_with_retry(browser: Browser) -> None:
    with PageServer(watch_draw(), start="asked") as server:
        page = opened(browser, server, **PHONE)
        assert "downloads about 0.1 MB" in page.text("#again")
        assert not [path for path in server.requests if path.startswith("/api/")]
        page.evaluate(
            "{ const gone = document.querySelector('#check').dataset; gone.there = gone.bundle;"
            " gone.bundle = 'http://127.0.0.1:1/'; }"
        )
        page.click("#again")
        page.wait_for(DONE)
        assert page.evaluate(VERDICT) == "open"
        assert "there seems to be no connection" in page.text("#verdict .reasons")
        assert page.evaluate(FAINT) == []
        page.screenshot(PICTURES / "offline-phone-light.png")
        page.evaluate("{ const back = document.querySelector('#check').dataset; back.bundle = back.there; }")
        page.click("#again")
        page.wait_for(f"{VERDICT} === 'partly'")


def test_a_csv_that_ends_early_without_the_connection_breaking_is_unread_too(browser: Browser) -> None:
    draw = watch_draw()
    with PageServer(draw) as server:
        server.answers["/api/entries.csv"] = Answer(draw.files[1][:-40], "text/csv")
        page = checked(browser, server)
        assert page.evaluate(VERDICT) == "open"
        assert "The entries: it ends in the middle of a line: it was cut short" in page.text("#verdict .reasons")


# Files of the visitor's own


def choose(page: Page, folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
        page.choose(f"#own-{name}", folder / name)
    page.evaluate("document.querySelector('#verdict').className = ''")
    page.click("#own button")
    page.wait_for(DONE)


def test_files_of_ones_own_are_checked_and_their_winners_named(browser: Browser, tmp_path: Path) -> None:
    draw = watch_draw()
    bundle, entries, log = draw.files
    with PageServer(development_draw(chain_id=31337)) as server:
        page = checked(browser, server)
        server.requests.clear()
        choose(page, tmp_path, bundle=bundle, entries=entries, log=log)
        assert page.evaluate(VERDICT) == "partly"
        assert f"Ticket {draw.bundle['picks'][0]['ticket']} wins A watch" in page.text("#verdict .winners")
        assert "Drawn on 23 Aug 2023" in page.text("#verdict")
        choose(page, tmp_path, bundle=entries, entries=bundle)
        assert page.evaluate(VERDICT) == "open"
        assert "the files seem to be swapped" in page.text("#verdict .reasons")
        assert not [path for path in server.requests if path.startswith("/api/")]
        quiet(page, server)


def test_without_the_log_it_is_said_what_that_leaves_open(browser: Browser, tmp_path: Path) -> None:
    bundle, entries, _ = watch_draw().files
    with PageServer(watch_draw()) as server:
        page = checked(browser, server)
        choose(page, tmp_path, bundle=bundle, entries=entries)
        assert "The log: it was not given." in page.text("#verdict .reasons")


def test_missing_files_are_asked_for(browser: Browser) -> None:
    with PageServer(watch_draw()) as server:
        page = checked(browser, server)
        page.click("#own button")
        page.wait_for(f"{VERDICT} === 'open'")
        assert "Please choose the files" in page.text("#verdict")


def test_a_huge_file_is_refused_before_it_is_read(browser: Browser, tmp_path: Path) -> None:
    bundle, _, _ = watch_draw().files
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(1_200_000_000)  # it takes no room on the disk
    with PageServer(watch_draw()) as server:
        page = checked(browser, server)
        page.choose("#own-entries", huge)
        (tmp_path / "bundle").write_bytes(bundle)
        page.choose("#own-bundle", tmp_path / "bundle")
        page.evaluate("document.querySelector('#verdict').className = ''")
        page.click("#own button")
        page.wait_for(DONE, 20)
        assert "The entries: it is larger than 250 MB" in page.text("#verdict .reasons")
        page.choose("#own-bundle", huge)
        page.evaluate("document.querySelector('#verdict').className = ''")
        page.click("#own button")
        page.wait_for(DONE, 20)
        assert "The result: it is larger than 17 MB" in page.text("#verdict .reasons")


# Were my tickets in?


@pytest.mark.parametrize("stage", ["published", "committed", "drawn"])
def test_receipts_are_answered_at_every_stage(browser: Browser, stage: str) -> None:
    draw = watch_draw(made={"stage": stage})
    with PageServer(draw, state="Waiting for the beacon") as server:
        page = checked(browser, server, **PHONE)
        assert asked(page, draw.receipt(0)).startswith("good: Yes. Tickets 1 to 3 (3 tickets) are in the draw.")
        if stage != "drawn":
            assert "the best moment to look" in page.text("#receipt-help")
            assert "still" in page.text("#verdict .reasons")
        assert page.evaluate(FAINT) == []
        page.screenshot(PICTURES / f"receipt-{stage}-phone-light.png")
        assert asked(page, draw.receipt(2)).startswith("warn: No: tickets 14 to 19 came out again")
        assert asked(page, "28").startswith("good: Yes. Ticket 28 is in the draw.")
        assert asked(page, "99").startswith("warn: Ticket 99 is not in the draw.")
        assert asked(page, "mine").startswith("warn: Please type")
        assert asked(page, '{"a": 1}').startswith("warn: This is not a receipt")
        quiet(page, server)


def test_a_receipt_that_was_left_out_turns_the_verdict(browser: Browser, tmp_path: Path) -> None:
    draw = watch_draw()
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(to_bytes(draw.receipt(0, entry_id="99999999-9999-4999-8999-999999999999")))
    with PageServer(draw) as server:
        for name in ("wide-light", "phone-dark"):
            page = checked(browser, server, **VIEWS[name])
            page.choose("#receipt-file", receipt)
            page.wait_for(f"{VERDICT} === 'bad'")
            assert "although the operator signed that they would be" in page.text("#answer")
            assert "A promise that the operator signed was broken." in page.text("#verdict")
            assert page.evaluate(FAINT) == []
            page.screenshot(PICTURES / f"left-out-{name}.png")
            page.close()


def test_a_question_starts_the_check_that_answers_it(browser: Browser) -> None:
    draw = watch_draw()
    with PageServer(draw, start="asked") as server:
        page = opened(browser, server)
        assert asked(page, draw.receipt(0)).startswith("good: Yes.")
        assert page.evaluate(VERDICT) == "partly"


# A head, and a source of randomness, that the visitor has


def test_outcomes_are_the_operators_word_until_a_head_signs_them(browser: Browser) -> None:
    drawn = watch_draw()
    draw = drawn.with_outcomes(drawn.forfeit(1, 1), drawn.claim(3, 1, after=7200))
    word, signed = "(the operator's word)", "(signed in the head that you gave)"
    with PageServer(draw) as server:
        for name in ("wide-light", "phone-dark"):
            page = checked(browser, server, **VIEWS[name])
            page.evaluate(OPEN_ALL)
            assert page.text("#facts-list").count(word) == 2
            assert asked(page, draw.head(len(draw.log) - 1)).startswith("good: The log goes on from this head")
            assert (page.text("#facts-list").count(word), page.text("#facts-list").count(signed)) == (1, 1)
            assert asked(page, draw.head()).startswith("good: ")
            assert (page.text("#facts-list").count(word), page.text("#facts-list").count(signed)) == (0, 2)
            # A smaller head takes nothing back, and one that does not hold signs nothing.
            asked(page, draw.head(3))
            assert page.text("#facts-list").count(signed) == 2
            assert page.evaluate(FAINT) == []
            page.screenshot(PICTURES / f"head-{name}.png")
            page.click("#again")
            page.wait_for(f"{DONE} && document.querySelector('#facts-list').textContent.includes(\"{word}\")")
            assert asked(page, draw.head() | {"root": "00" * 32}).startswith("warn: ")
            assert page.text("#facts-list").count(word) == 2
            quiet(page, server)
            page.close()


def test_a_foreign_source_of_randomness_can_be_named(browser: Browser, tmp_path: Path) -> None:
    draw = development_draw(chain_id=1)
    promised = json.loads(draw.bundle["manifest"])["beacon"]
    file = tmp_path / "beacon.json"
    file.write_text(json.dumps(promised))
    with PageServer(draw) as server:
        for name in ("wide-light", "phone-dark"):
            page = checked(browser, server, **VIEWS[name])
            assert "it is not drand quicknet" in page.text("#verdict .reasons")
            page.evaluate("document.querySelector('#source').open = true")
            page.fill("#beacon", "quicknet")
            page.click("#name-source button")
            page.wait_for("document.querySelector('#beacon-answer').textContent.startsWith('This is no source')")
            assert "it is not drand quicknet" in page.text("#verdict .reasons")
            page.screenshot(PICTURES / f"source-{name}.png")
            page.fill("#beacon", json.dumps(promised | {"period": promised["period"] + 1}))
            page.click("#name-source button")
            page.wait_for(f"{VERDICT} === 'bad'")
            assert "The source of randomness is not the one that you named." in page.text("#verdict .reasons")
            page.choose("#beacon-file", file)
            page.wait_for(f"{VERDICT} === 'partly'")
            assert "drand" not in page.text("#verdict .reasons")
            assert page.text("#beacon-answer") == ""
            assert page.evaluate(FAINT) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            quiet(page, server)
            page.close()
    with PageServer(watch_draw()) as server:
        assert checked(browser, server).evaluate("document.querySelector('#source').checkVisibility()") is False


# Keyboards, no scripts, modules


def test_the_keyboard_reaches_the_check(browser: Browser) -> None:
    with PageServer(watch_draw(), start="asked") as server:
        page = opened(browser, server)
        page.evaluate("document.querySelector('nav a').focus()")
        for _ in range(20):
            page.press(["Tab"])
            if page.evaluate("document.activeElement.id") == "again":
                break
        page.press(["Enter"])
        page.wait_for(DONE)
        assert page.evaluate(VERDICT) == "partly"


def test_without_scripts_everything_is_there_but_the_check(browser: Browser) -> None:
    with PageServer(watch_draw()) as server:
        page = browser.page(**PHONE)
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.call("Page.navigate", url=server.url)
        page.wait_for("document.readyState === 'complete' && document.querySelector('#check') !== null")
        page.screenshot(PICTURES / "no-scripts-phone-light.png")
        assert "Your browser runs no scripts" in page.text("#check")
        assert page.evaluate("document.querySelector('#again').checkVisibility()") is False


def test_every_module_is_preloaded_and_the_bundled_one_is_small(browser: Browser) -> None:
    with PageServer(watch_draw()) as server:
        page = checked(browser, server)
        loaded = {path for path in server.requests if path.endswith(".js")}
        links = page.evaluate("[...document.querySelectorAll('link[rel=modulepreload]')].map(link => link.href)")
        assert {f"{server.origin}{path}" for path in loaded} == set(links)
        assert (Path(__file__).parents[1] / "static/verification/vendor/noble.js").stat().st_size <= 120_000


def test_the_page_may_connect_to_nodes_but_loads_nothing_from_elsewhere() -> None:
    assert CHECK_POLICY["connect-src"] == ["'self'", "https:", "http://127.0.0.1:*", "http://localhost:*"]
    others = {name: value for name, value in CHECK_POLICY.items() if name != "connect-src"}
    assert others == {name: value for name, value in settings.SECURE_CSP.items() if name != "connect-src"}
