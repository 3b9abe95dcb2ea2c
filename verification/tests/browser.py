"""Headless Chromium for tests and measurements, driven over its pipe: no port and no package, and it ends with it."""

import base64
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
ANSWER_SECONDS = 30
WAIT_SECONDS = 60  # on a machine that is busy otherwise
OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-sandbox",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    # Whatever a page asks for elsewhere fails, and is seen to be asked for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


class BrowserError(RuntimeError):
    """Chromium is missing, or did not do what it was asked for. The message is meant to be shown as it is."""


def executable() -> str:
    """Chromium's path. Raises BrowserError."""
    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    raise BrowserError("there is no chromium here; install it, on Debian and Ubuntu with `apt-get install chromium`")


class Browser:
    """Runs while it is entered. `folder` takes its profile. Raises BrowserError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4. (Not every sh knows descriptors above 9.)
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash"]
        self._process = subprocess.Popen(
            [*shell, executable(), *OPTIONS, f"--user-data-dir={self.folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(ANSWER_SECONDS)
        deadline = time.monotonic() + ANSWER_SECONDS
        while self._is_in_use() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._reader.join(ANSWER_SECONDS)
        self._out.close()
        self._in.close()

    def _is_in_use(self) -> bool:
        """Whether a child of Chromium, which may outlive it by a moment, still has the profile: it writes to it."""
        named = str(self.folder).encode()
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if named in each.read_bytes():
                    return True
        return False

    def page(self, *, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False) -> "Page":
        """A new tab of this size, in CSS pixels."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, context)
        page.watch(session)
        page.call("Page.enable")
        scale = 2 if phone else 1
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        page.call("Emulation.setEmulatedMedia", features=scheme)
        return page

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Chromium's answer to a command of its debugging protocol. Raises BrowserError."""
        number = self.send(method, session, **params)
        try:
            answer = self._answers[number].get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise BrowserError(f"{method}: no answer in {ANSWER_SECONDS} s") from None
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def send(self, method: str, session: str = "", **params: Any) -> int:
        """The command's number; who does not wait for the answer need not ask for it."""
        number = next(self._numbers)
        self._answers[number] = queue.SimpleQueue()
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        with self._writing:
            self._out.write(json.dumps(message).encode() + b"\0")
            self._out.flush()
        return number

    def _read(self) -> None:
        rest = b""
        while data := self._in.read1(1 << 16):
            *messages, rest = (rest + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]].put(message)
                elif page := self._pages.get(message.get("sessionId", "")):
                    self._hear(page, message["method"], message["params"])

    def _hear(self, page: "Page", event: str, params: dict[str, Any]) -> None:
        if event == "Target.attachedToTarget":  # a worker of the page
            self._pages[params["sessionId"]] = page
            page.watch(params["sessionId"])
            self.send("Runtime.runIfWaitingForDebugger", params["sessionId"])
        else:
            page.hear(event, params)


class Page:
    """A tab. `requests` are the addresses that it and its workers asked for, `complaints` what they reported."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self.browser, self.session, self.context = browser, session, context
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def watch(self, session: str) -> None:
        """Has the page, or a worker of its, report all that it does."""
        for domain in ("Network", "Runtime", "Log"):
            self.browser.send(f"{domain}.enable", session)
        options = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        self.browser.send("Target.setAutoAttach", session, **options)

    def hear(self, event: str, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"].get("exception", params)))
        elif event == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.complaints.append(str(params["args"]))
        elif event == "Log.entryAdded":
            self.complaints.append(str(params["entry"]))

    def goto(self, url: str) -> None:
        """Loads the address and waits until it is there, modules included."""
        if error := self.call("Page.navigate", url=url).get("errorText"):
            raise BrowserError(f"{url}: {error}")
        self.wait_for(f"location.href.startsWith({url!r}) && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript, as JSON has it; promises are awaited."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait_for(self, expression: str, seconds: float = WAIT_SECONDS) -> None:
        """Waits until the expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise BrowserError(f"not true after {seconds} s: {expression}; complaints: {self.complaints}")
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """The text that people see in the first element."""
        return self.evaluate(f"document.querySelector({selector!r}).innerText")

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector({selector!r}).click()")

    def fill(self, selector: str, text: str) -> None:
        self.evaluate(f"document.querySelector({selector!r}).value = {json.dumps(text)}")

    def choose(self, selector: str, *files: Path) -> None:
        """Chooses files in a file input."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({selector!r})")["result"]
        self.call("DOM.setFileInputFiles", files=[str(file) for file in files], objectId=found["objectId"])

    def press(self, keys: Sequence[str]) -> None:
        """Presses keys by name: `Tab`, `Enter`, a letter."""
        for key in keys:
            text = {"text": "\r"} if key == "Enter" else {}
            code = {"Tab": 9, "Enter": 13}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def close(self) -> None:
        """Closes the tab, and forgets what it stored."""
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def screenshot(self, file: Path) -> None:
        """The whole page, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        file.parent.mkdir(parents=True, exist_ok=True)
        shot = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))
