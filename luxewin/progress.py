"""Progress reports of long commands."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE_SECONDS = 5.0


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Print what is going on, and since when, on standard error every PAUSE_SECONDS until the block ends.

    Not on standard output, which a program may read. Cost: a thread that sleeps.
    """
    over, started = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(PAUSE_SECONDS):
            sys.stderr.write(f"… {what}, for {time.monotonic() - started:.0f} s\n")
            sys.stderr.flush()

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
