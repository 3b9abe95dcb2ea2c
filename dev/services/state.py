"""Files that a state folder keeps between runs, readable only by its owner."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def private_folder(path: Path) -> Path:
    """Make the folder, with its parents, readable only by its owner, and return it."""
    path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    return path


def write_private(path: Path, content: bytes | str) -> None:
    """Replace a file in one step; readers see the old content or the new one."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as output:
        output.write(content.encode() if isinstance(content, str) else content)
    draft.replace(path)


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the file's content, made once and kept; concurrent callers get the same."""
    if not path.exists():
        private_folder(path.parent)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        write_private(draft, make())
        with contextlib.suppress(FileExistsError):  # another process was first: its content counts
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()
