"""Bench room: a payment provider that answers at once, so that a hold can be measured without a provider's own cost.

It makes PaymentIntents and nothing else, in the shape that our gateway reads, on uvloop and without a framework.
The embedded Stripe stand-in keeps state, signs events and checks what it is asked, and all that takes its time.
Run: `python -m bench.product.provider --port 12112`, with the interpreter of `bench/.venv`.
"""

import argparse
import asyncio
import json
import secrets
from typing import cast
from urllib.parse import parse_qs

CREATE = b"POST /v1/payment_intents HTTP/1.1"
HEALTH = b"GET /health HTTP/1.1"
END = b"\r\n\r\n"


def intent(form: dict[str, list[str]]) -> dict[str, object]:
    """A new PaymentIntent that awaits its payment method."""
    name = f"pi_{secrets.token_hex(12)}"
    return {
        "id": name,
        "object": "payment_intent",
        "status": "requires_payment_method",
        "amount": int(form["amount"][0]),
        "amount_received": 0,
        "currency": form["currency"][0],
        "customer": form["customer"][0],
        "client_secret": f"{name}_secret_{secrets.token_hex(12)}",
        "metadata": {name[9:-1]: values[0] for name, values in form.items() if name.startswith("metadata[")},
        "livemode": False,
    }


class Answers(asyncio.Protocol):
    """One connection, kept open; requests with a Content-Length or without a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answers every request that is whole."""
        self.buffer += data
        while (end := self.buffer.find(END)) >= 0:
            first, *headers = self.buffer[:end].split(b"\r\n")
            length = next((int(line[15:]) for line in headers if line[:15].lower() == b"content-length:"), 0)
            if len(self.buffer) < end + len(END) + length:
                return
            body = self.buffer[end + len(END) : end + len(END) + length]
            self.buffer = self.buffer[end + len(END) + length :]
            self.answer(first, body)

    def answer(self, first: bytes, body: bytes) -> None:
        """An intent, or 404 for whatever else is asked."""
        if first == CREATE:
            status, content = b"200 OK", intent(parse_qs(body.decode()))
        elif first == HEALTH:
            status, content = b"200 OK", {}
        else:
            status, content = b"404 Not Found", {"error": {"type": "invalid_request_error", "message": first.decode()}}
        text = json.dumps(content).encode()
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (status, len(text)) + text)


async def serve(port: int) -> None:
    """Until it is killed."""
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop  # type: ignore[import-not-found] # of bench/.venv

    parser = argparse.ArgumentParser(description="a payment provider that answers at once")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
