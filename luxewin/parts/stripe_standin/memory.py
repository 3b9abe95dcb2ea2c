"""Parts room: what the Stripe stand-in remembers, saved into its state folder."""

import asyncio
import pickle
import time
from pathlib import Path
from typing import Any

from localstripe.resources import Store, store

from luxewin.parts.state import write_private

SAVE_SECONDS = 0.5
SAVING_SHARE = 20  # saving takes at most about a twentieth of the time, however much there is to save


class Memory:
    """localstripe's objects and our idempotent answers, saved together soon after a change and at the end.

    localstripe itself writes everything to one fixed file below /tmp at every single change.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "store.pickle"
        #: Idempotency key → its request and its answer.
        self.answers: dict[str, Any] = {}
        self._changed = False
        Store.dump_to_disk = self.note_change

    def note_change(self, *_: object) -> None:
        self._changed = True

    def load(self) -> None:
        if self.file.exists():
            content = pickle.loads(self.file.read_bytes())  # noqa: S301 (our own file, closed to others)
            dict.update(store, content["store"])
            self.answers.update(content["answers"])

    def save(self) -> None:
        if self._changed:
            self._changed = False
            content = {"store": dict(store), "answers": self.answers}
            write_private(self.file, pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL))

    def forget(self) -> None:
        """Everything but the webhook endpoints, which belong to the product that runs."""
        for key in [key for key in store if not key.startswith("webhook_endpoint:")]:
            dict.pop(store, key)
        self.answers.clear()
        self.note_change()

    async def keep_saving(self) -> None:
        pause = SAVE_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            self.save()
            pause = max(SAVE_SECONDS, SAVING_SHARE * (time.monotonic() - began))
