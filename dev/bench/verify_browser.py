"""A draw recomputed on its public page, in headless Chromium."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx

from dev.bench.ground import Ground
from dev.bench.registry import BenchError, Figure, measurement
from dev.launch import PROJECT
from verification.tests.browser import Browser, BrowserError, Page

ENTRIES, FEWEST = 100_000, 100
ROUNDS = 5
SEED_SECONDS = 600
# From the button to the verdict: download, all checks, and what is shown of them.
CHECK = """new Promise((resolve) => {
  const verdict = document.querySelector("#verdict");
  const started = performance.now();
  new MutationObserver(() => {
    if (verdict.className) resolve([verdict.className, (performance.now() - started) / 1000]);
  }).observe(verdict, { attributes: true });
  document.querySelector("#again").click();
})"""


# The same check in the page's own thread: the browser slows only that down, and no worker.
IN_THE_PAGE = """(async () => {
  const script = document.querySelector("script[type=module]").src;
  const from = (name) => import(new URL(name, script));
  const [{ verify }, { chunksOf, wholeOf }, { summarise }, { judge }] =
    await Promise.all(["checks.js", "files.js", "summary.js", "verdict.js"].map(from));
  const { bundle, entries, log } = document.querySelector("#check").dataset;
  const started = performance.now();
  const files = { bundle: wholeOf(bundle), entries: chunksOf(entries), log: chunksOf(log) };
  const found = await verify(files, { check() {}, progress() {} });
  window.judged = [judge(summarise(found, true)).verdict, (performance.now() - started) / 1000];
})(), 0"""
SLOWER, PHONE_SECONDS = 6, 600


@measurement(unit="s")
def verify_browser_1e5(ground: Ground) -> Figure:
    """A draw of 100,000 entries recomputed on its public page in headless Chromium, from the button to the verdict,
    download from this machine and display included, beside the stand-alone verifier on the same files (pure Python,
    as a bare machine has it).

    Each round is a new tab with an empty cache. Fails unless every check holds on both sides.
    """
    _, rounds = _size(ground)
    with _files(ground) as files, _browser() as browser:
        pairs = [(_on_the_page(browser, ground), _by_the_verifier(files)) for _ in range(rounds + 1)]
        megabytes = sum(file.stat().st_size for file in files[1:]) / 1e6
    values, yardsticks = zip(*pairs[1:], strict=True)  # the first warms up
    note = f"entries and log of {megabytes:.1f} MB; " + ", ".join(f"{value:.2f} s" for value in values)
    return Figure(values, yardsticks, note=note)


@measurement(unit="s")
def verify_phone_1e5(ground: Ground) -> Figure:
    """The same checks of the same draw by the page's modules on a processor six times slower (DevTools'
    Emulation.setCPUThrottlingRate), beside the same at full speed. Download from this machine is included.

    The checks run in the page's own thread instead of its worker, which DevTools does not slow down.
    """
    _, rounds = _size(ground)
    with _browser() as browser:
        pairs = [(_in_the_page(browser, ground, SLOWER), _in_the_page(browser, ground, 1)) for _ in range(rounds)]
    values, yardsticks = zip(*pairs, strict=True)
    return Figure(values, yardsticks, note=", ".join(f"{value:.2f} s" for value in values))


def _size(ground: Ground) -> tuple[int, int]:
    return (FEWEST, 1) if ground.is_smallest else (ENTRIES, ROUNDS)


@cache
def _raffle(ground: Ground) -> str:
    entries, _ = _size(ground)
    return str(ground.run_product("dev.bench.product.drawn", str(entries), seconds=SEED_SECONDS))


@contextmanager
def _browser() -> Iterator[Browser]:
    try:
        with tempfile.TemporaryDirectory() as folder, Browser(Path(folder)) as browser:
            yield browser
    except BrowserError as error:
        raise BenchError(str(error)) from error


@contextmanager
def _files(ground: Ground) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory() as folder:
        yield _downloaded(ground, _raffle(ground), Path(folder))


def _downloaded(ground: Ground, raffle: str, folder: Path) -> list[Path]:
    files = []
    for path, name in (("bundle", "bundle.json"), ("entries.csv", "entries.csv"), ("log", "log.csv")):
        answer = httpx.get(f"{ground.stack.url}/api/v1/verification/{raffle}/{path}", timeout=60).raise_for_status()
        (folder / name).write_bytes(answer.content)
        files.append(folder / name)
    return files


def _in_the_page(browser: Browser, ground: Ground, slower: int) -> float:
    page = _opened(browser, ground)
    page.call("Emulation.setCPUThrottlingRate", rate=slower)
    page.evaluate(IN_THE_PAGE)
    page.wait_for("Boolean(window.judged)", PHONE_SECONDS)
    verdict, seconds = page.evaluate("window.judged")
    if verdict != "consistent":
        raise BenchError(f"the page finds the draw {verdict}")
    page.close()
    return float(seconds)


def _opened(browser: Browser, ground: Ground) -> Page:
    page = browser.page()
    page.goto(f"{ground.stack.url}/verify/{_raffle(ground)}")
    return page


def _on_the_page(browser: Browser, ground: Ground) -> float:
    page = _opened(browser, ground)
    verdict, seconds = page.evaluate(CHECK)
    if verdict != "partly":  # a draw of the demo is on a development chain: CONSISTENT is the best it can be
        raise BenchError(f"the page does not verify the draw: {page.text('#verdict')}")
    page.close()
    return float(seconds)


def _by_the_verifier(files: list[Path]) -> float:
    verifier = PROJECT / "verification" / "verifier.py"
    command: list[str | Path] = [sys.executable, "-I", verifier, *files, "--json"]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if json.loads(done.stdout)["verdict"] != "CONSISTENT":
        raise BenchError(f"the verifier does not verify the draw: {done.stdout[-500:]}")
    return seconds
