"""A payment provider that answers at once, or after a delay that costs it no work.

It makes PaymentIntents and refunds, and reports that the intents of a backlog (`numbers`) succeeded, in the shape that
our gateway reads; on uvloop, without a framework and without storing anything. The embedded Stripe stand-in keeps
state, signs events and checks requests, all of which takes time.
Run: `python -m dev.bench.product.provider --port 12112 --delay 0.3`, with the interpreter of `dev/bench/.venv`.
"""

import argparse
import asyncio
import json
import secrets
from typing import cast
from urllib.parse import parse_qs

from dev.bench.product import numbers

END = b"\r\n\r\n"
INTENTS = "/v1/payment_intents"


def new_intent(form: dict[str, str]) -> dict[str, object]:
    """Make a new PaymentIntent that awaits its payment method."""
    name = f"pi_{secrets.token_hex(12)}"
    return {
        "id": name,
        "object": "payment_intent",
        "status": "requires_payment_method",
        "amount": int(form["amount"]),
        "amount_received": 0,
        "currency": form["currency"],
        "customer": form["customer"],
        "client_secret": f"{name}_secret_{secrets.token_hex(12)}",
        "metadata": metadata(form),
        "livemode": False,
    }


def paid_intent(name: str) -> dict[str, object] | None:
    """Return the PaymentIntent of a backlog's purchase; None for any other, as made ones are not kept."""
    number = numbers.number_of(name)
    if number is None:
        return None
    purchase = numbers.identifier(number)
    form = {
        "amount": str(numbers.PRICE),
        "currency": numbers.CURRENCY,
        "customer": numbers.customer_id(numbers.person_of(number)),
        "metadata[purchase]": purchase,
        "metadata[payment]": purchase,
    }
    return new_intent(form) | {"id": name, "status": "succeeded", "amount_received": numbers.PRICE}


def new_refund(form: dict[str, str]) -> dict[str, object]:
    """Make a refund that succeeded."""
    return {
        "id": f"re_{secrets.token_hex(12)}",
        "object": "refund",
        "status": "succeeded",
        "failure_reason": None,
        "payment_intent": form["payment_intent"],
        "amount": int(form["amount"]),
        "currency": numbers.CURRENCY,
        "metadata": metadata(form),
    }


def metadata(form: dict[str, str]) -> dict[str, str]:
    """Return the fields of a form that are the object's metadata."""
    return {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}


def answer(method: str, path: str, form: dict[str, str]) -> dict[str, object] | None:
    """Return the requested object; None if it is unknown."""
    if (method, path) == ("POST", INTENTS):
        return new_intent(form)
    if method == "GET" and path.startswith(f"{INTENTS}/"):
        return paid_intent(path.rpartition("/")[2])
    if (method, path) == ("POST", "/v1/refunds"):
        return new_refund(form)
    return {} if path == "/health" else None


class Answers(asyncio.Protocol):
    """One connection, kept open; requests with a Content-Length or without a body, one at a time."""

    def __init__(self, delay: float) -> None:
        self.delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new client."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self.buffer += data
        while (end := self.buffer.find(END)) >= 0:
            first, *headers = self.buffer[:end].split(b"\r\n")
            length = next((int(line[15:]) for line in headers if line[:15].lower() == b"content-length:"), 0)
            if len(self.buffer) < end + len(END) + length:
                return
            body = self.buffer[end + len(END) : end + len(END) + length]
            self.buffer = self.buffer[end + len(END) + length :]
            self.respond(first.decode(), body.decode())

    def respond(self, first: str, body: str) -> None:
        """Send the object, or 404, after the delay."""
        method, path, _ = first.split(" ", 2)
        found = answer(method, path, {name: values[0] for name, values in parse_qs(body).items()})
        missing = {"error": {"type": "invalid_request_error", "message": first}}
        text = json.dumps(missing if found is None else found).encode()
        status = b"404 Not Found" if found is None else b"200 OK"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(text))
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, head + text)
        else:
            self.transport.write(head + text)


async def serve(port: int, delay: float) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Answers(delay), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop  # type: ignore[import-not-found] # of dev/bench/.venv

    parser = argparse.ArgumentParser(description="a payment provider that answers at once, or after a delay")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds from a question to its answer")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.delay))
