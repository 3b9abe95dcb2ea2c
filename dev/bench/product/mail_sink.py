"""A mail server that takes each mail after a delay, refuses some, and counts by Message-ID.

`python -m dev.bench.product.mail_sink --port 2525 --delay 0.1 --faults 0.02`. Of the faults half are temporary refusals
and half are connections that end without an answer; neither took the mail. The command `STAT`, which only this server
has, answers with JSON: `accepted` mails, those taken `twice`, and `faults`.
"""

import argparse
import asyncio
import json
import random
import re

MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
END = b"\r\n.\r\n"


class Sink:
    """What was taken, over all connections."""

    def __init__(self, delay: float, faults: float) -> None:
        self.delay, self.share = delay, faults
        self.taken: set[bytes] = set()
        self.twice = self.faults = 0
        self.chance = random.Random(1)

    def stat(self) -> str:
        """Return the counts as JSON."""
        return json.dumps({"accepted": len(self.taken), "twice": self.twice, "faults": self.faults})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it ends."""
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                answer = await self._take(await reader.readuntil(END))
                if not answer:
                    return
                writer.write(answer)
            elif verb == b"STAT":
                writer.write(f"250 {self.stat()}\r\n".encode())
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")

    async def _take(self, content: bytes) -> bytes:
        """Return the answer to a mail's content; nothing: the connection ends."""
        await asyncio.sleep(self.delay)
        if (chance := self.chance.random()) < self.share:
            self.faults += 1
            return b"451 try again later\r\n" if chance < self.share / 2 else b""
        found = MESSAGE_ID.search(content)
        name = found[1] if found else content
        self.twice += name in self.taken
        self.taken.add(name)
        return b"250 taken\r\n"


async def main(port: int, sink: Sink) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(sink.serve, "127.0.0.1", port, limit=10_000_000, backlog=1_000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--faults", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(main(options.port, Sink(options.delay, options.faults)))
