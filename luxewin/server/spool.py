"""Bodies and answers between a connection and a thread: in memory while small, else in a temporary file."""

import io
import os
import tempfile
import threading
from typing import IO

MEMORY_BYTES = 65_536


class SpoolFullError(Exception):
    """All bodies and answers of this process together would exceed their disk budget."""


class Budget:
    """How many bytes the spools of one process may keep in temporary files. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Reserve bytes; raise SpoolFullError."""
        with self._lock:
            if size > self._left:
                raise SpoolFullError
            self._left -= size

    def give_back(self, size: int) -> None:
        """Release bytes that are no longer on disk."""
        with self._lock:
            self._left += size


class Spool:
    """Bytes to be written once, then read once. Not thread-safe; `close` it."""

    def __init__(self, budget: Budget) -> None:
        self.size = 0
        #: Its `read` and `readline` are for callers that want a file.
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 (`close` closes it)
        self._budget = budget
        self._taken = 0
        self._start = 0

    @property
    def is_small(self) -> bool:
        """Whether it fits in memory."""
        return self.size <= MEMORY_BYTES

    def write(self, data: bytes) -> None:
        """Append; raise SpoolFullError when the budget is used up, and OSError when the disk is full."""
        self.size += len(data)
        if self.size > MEMORY_BYTES:
            self._budget.take(self.size - self._taken)
            self._taken = self.size
        self.file.write(data)

    def adopt(self, file: object) -> bool:
        """Use the rest of a file on disk instead of a copy; return False, and do nothing, if it is not one."""
        if self.size or not isinstance(file, io.BufferedReader):
            return False
        self.file.close()
        self.file = os.fdopen(os.dup(file.fileno()), "rb")
        self._start = file.tell()
        self.size = os.fstat(self.file.fileno()).st_size - self._start
        return True

    def rewind(self) -> None:
        """Go back to the first byte, once everything is written."""
        self.file.seek(self._start)

    def close(self) -> None:
        """Release memory and disk; can be repeated."""
        self.file.close()
        self._budget.give_back(self._taken)
        self._taken = 0
