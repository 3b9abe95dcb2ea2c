"""The Stripe stand-in's storage: a journal in its state folder, written before an answer is given."""

import io
import os
import pickle
import time
from pathlib import Path
from typing import Any

from localstripe.resources import Store, StripeObject, store

from dev.services.state import PRIVATE_FILE
from dev.services.stripe_standin.lists import clear_shelves, shelve

REMEMBER_SECONDS = 24 * 3600
FRAME = 1000  # objects per frame when all are written
STALE = 3  # the journal is rewritten at the start if it holds this many times the existing objects


class Memory:
    """localstripe's objects and our idempotent answers. What was answered survives SIGKILL.

    The journal is a sequence of pickled frames `(objects, answers)`; the last version of each object counts. Objects
    refer to each other by their keys in localstripe's store. Cost of a change: a pickle of each object that it touched.
    localstripe itself writes everything to one fixed file below /tmp at every single change.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "journal.pickle"
        #: Idempotency key → its request and its answer.
        self.answers: dict[str, Any] = {}
        self._changed: dict[int, Any] = {}
        self._removed: list[str] = []
        self._answered: dict[str, Any] = {}
        self._watch()

    def _watch(self) -> None:
        def put(_: Store, key: str, value: Any) -> None:
            dict.__setitem__(store, key, value)
            self._changed[id(value)] = value
            shelve(value)

        def remove(_: Store, key: str) -> None:
            dict.__delitem__(store, key)
            self._removed.append(key)

        def assign(thing: StripeObject, name: str, value: Any) -> None:
            object.__setattr__(thing, name, value)
            self._changed[id(thing)] = thing

        Store.__setitem__, Store.__delitem__, StripeObject.__setattr__ = put, remove, assign

    def keep_answer(self, key: str, facts: dict[str, Any]) -> None:
        self.answers[key] = self._answered[key] = facts

    def flush(self) -> None:
        """Write what changed since the last flush."""
        objects: list[Any] = [_record(thing) for thing in self._changed.values() if _is_stored(thing)]
        objects += [(key, None, {}) for key in self._removed]
        if objects or self._answered:
            self._journal.write(_frame(objects, self._answered))
        self._changed, self._removed, self._answered = {}, [], {}

    def load(self) -> None:
        """Read the journal as far as it is complete, and open it for writing."""
        count = self._read() if self.file.exists() else 0
        empty = [key for key, thing in store.items() if not vars(thing)]  # referred to by others, never written
        for key in empty:
            dict.pop(store, key)
        for thing in sorted(store.values(), key=lambda thing: getattr(thing, "created", 0)):
            shelve(thing)
        if count > STALE * len(store) + FRAME:
            self._rewrite()
        self._open()

    def _open(self) -> None:
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        self._journal = os.fdopen(descriptor, "ab", buffering=0)

    def _read(self) -> int:
        count, whole = 0, 0
        with self.file.open("r+b") as journal:
            while True:
                try:
                    objects, answers = pickle.load(journal)  # noqa: S301 (our own file, closed to others)
                except (EOFError, pickle.UnpicklingError):  # the end, or a frame that SIGKILL cut off
                    break
                whole, count = journal.tell(), count + len(objects)
                for key, kind, state in objects:
                    if kind is None:
                        dict.pop(store, key, None)
                    else:
                        _fill(_named(key, kind), state)
                self.answers |= answers
            journal.truncate(whole)
        return count

    def _rewrite(self) -> None:
        """Replace the journal by one with only the current state."""
        draft = self.file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        limit = time.time() - REMEMBER_SECONDS
        answers = {key: facts for key, facts in self.answers.items() if facts["at"] > limit}
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as output:
            # First all of them without state, so that references do not change their order.
            output.write(_frame([(key, type(thing), {}) for key, thing in store.items()], answers))
            things = list(store.values())
            for start in range(0, len(things), FRAME):
                output.write(_frame([_record(thing) for thing in things[start : start + FRAME]], {}))
        draft.replace(self.file)

    def forget(self) -> None:
        """Delete everything except webhook endpoints, which belong to the running product."""
        for key in [key for key in store if not key.startswith("webhook_endpoint:")]:
            dict.pop(store, key)
        self.answers.clear()
        self._changed, self._removed, self._answered = {}, [], {}
        clear_shelves()
        self._journal.close()
        self._rewrite()
        self._open()


class _Writer(pickle.Pickler):
    """Pickler that writes an object with its own key in the store as a reference."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, StripeObject) and _is_stored(value):
            return _named, (_key(value), type(value))
        return NotImplemented


def _frame(objects: list[Any], answers: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    _Writer(content, protocol=pickle.HIGHEST_PROTOCOL).dump((objects, answers))
    return content.getvalue()


def _record(thing: Any) -> tuple[str, type, dict[str, Any]]:
    return _key(thing), type(thing), dict(vars(thing))


def _key(thing: Any) -> str:
    return f"{thing.object}:{thing.id}" if hasattr(thing, "id") else str(thing.object)


def _is_stored(thing: Any) -> bool:
    return store.get(_key(thing)) is thing


def _fill(thing: Any, state: dict[str, Any]) -> None:
    if state:  # otherwise it only reserves its place
        getattr(thing, "__setstate__", vars(thing).update)(state)


def _named(key: str, kind: Any) -> Any:
    """Return the object of this key, created empty if its own record is still to come."""
    if key not in store:
        dict.__setitem__(store, key, kind.__new__(kind))
    return store[key]
