#!/usr/bin/env python3
"""What operators type. Where a variable of an outside party is unset, its embedded part is used."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")


def use_own_environment() -> None:
    """Go on in `.venv`, or end with what is needed, where this Python is too old or lacks the packages.

    Any Python 3 has to be able to read this file.
    """
    if sys.version_info >= (3, 12) and importlib.util.find_spec("django") and importlib.util.find_spec("environ"):
        return
    own = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if os.access(own, os.X_OK) and Path(sys.executable) != own:
        os.execv(own, [str(own), *sys.argv])  # noqa: S606 no shell, and our own interpreter
    version = ".".join(map(str, sys.version_info[:3]))
    sys.exit(
        "LuxeWin needs Python 3.12 or newer with the packages of requirements.txt; this is Python " + version + ".\n"
        "`make setup` makes .venv with both, which manage.py then uses by itself; for production see README.md."
    )


if __name__ == "__main__":
    use_own_environment()
    # An image has only the product, which starts no embedded parts.
    launch = "dev.launch" if importlib.util.find_spec("dev") else "luxewin.launch"
    importlib.import_module(launch).main(sys.argv)
