"""A draw recomputed on its public page, in headless Chromium."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from dev.bench.ground import Ground
from dev.bench.registry import BenchError, Figure, measurement
from dev.launch import PROJECT
from verification.tests.browser import Browser, BrowserError

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


@measurement(unit="s")
def verify_browser_1e5(ground: Ground) -> Figure:
    """A draw of 100,000 entries recomputed on its public page in headless Chromium, from the button to the verdict,
    download from this machine and display included, beside the stand-alone verifier on the same files (pure Python,
    as a bare machine has it).

    Each round is a new tab with an empty cache. Fails unless every check holds on both sides.
    """
    entries, rounds = (FEWEST, 1) if ground.is_smallest else (ENTRIES, ROUNDS)
    raffle = ground.run_product("dev.bench.product.drawn", str(entries), seconds=SEED_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        files = _downloaded(ground, raffle, Path(folder))
        megabytes = sum(file.stat().st_size for file in files[1:]) / 1e6
        try:
            with Browser(Path(folder) / "profile") as browser:
                pairs = [(_on_the_page(browser, ground, raffle), _by_the_verifier(files)) for _ in range(rounds + 1)]
        except BrowserError as error:
            raise BenchError(str(error)) from error
    values, yardsticks = zip(*pairs[1:], strict=True)  # the first warms up
    note = f"entries and log of {megabytes:.1f} MB; " + ", ".join(f"{value:.2f} s" for value in values)
    return Figure(values, yardsticks, note=note)


def _downloaded(ground: Ground, raffle: str, folder: Path) -> list[Path]:
    files = []
    for path, name in (("bundle", "bundle.json"), ("entries.csv", "entries.csv"), ("log", "log.csv")):
        answer = httpx.get(f"{ground.stack.url}/api/v1/verification/{raffle}/{path}", timeout=60).raise_for_status()
        (folder / name).write_bytes(answer.content)
        files.append(folder / name)
    return files


def _on_the_page(browser: Browser, ground: Ground, raffle: str) -> float:
    page = browser.page()
    page.goto(f"{ground.stack.url}/verify/{raffle}")
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
