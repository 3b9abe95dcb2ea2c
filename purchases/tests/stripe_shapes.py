"""Stripe's objects in every shape that the pinned version documents, made from the annotations of Stripe's library.

`shape(stripe.Refund, "expanded")` is a dict as Stripe would send it in JSON. Variants: `bare` (null wherever it may
be), `ids` (everything filled, other objects by their ids), `expanded` (other objects whole, where they may be), and
`newer` (as `ids`, with fields at every level that the library has never heard of).
"""

import inspect
import re
import typing
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from threading import Thread
from types import NoneType
from typing import Any, ForwardRef, Literal

import stripe
from stripe import ListObject, StripeObject

VARIANTS = ("bare", "ids", "expanded", "newer")
# How deep objects are filled; Stripe expands four levels at most.
DEPTH = {"bare": 1, "ids": 4, "expanded": 5, "newer": 4}
PREFIXES = {
    "payment_intent": "pi", "charge": "ch", "refund": "re", "dispute": "dp", "event": "evt", "customer": "cus",
    "balance_transaction": "txn", "payment_method": "pm", "account": "acct", "setup_intent": "seti",
}  # fmt: skip


def shape(kind: type[StripeObject], variant: str, **fields: Any) -> dict[str, Any]:
    """The object as JSON; `fields` are set as given."""
    return _Maker(variant).object(kind, DEPTH[variant]) | fields


def identifier(kind: type[StripeObject]) -> str:
    """The id that every object of this kind has here."""
    name = getattr(kind, "OBJECT_NAME", kind.__name__.lower())
    return f"{PREFIXES.get(name, name.replace('.', '_'))}_shape"


def _named(name: str) -> Any:
    """Stripe's class of this name, or text if it is none of the library's public ones."""
    found = getattr(stripe, name, None)
    return found if inspect.isclass(found) and issubclass(found, StripeObject) else str


class _Maker:
    def __init__(self, variant: str) -> None:
        self.variant = variant

    def object(self, kind: type[StripeObject], depth: int) -> dict[str, Any]:
        """All annotated fields, those of base classes included."""
        hints = {
            name: hint
            for each in reversed(kind.__mro__)
            for name, hint in vars(each).get("__annotations__", {}).items()
        }
        made = {
            name: self.value(name, hint, depth)
            for name, hint in hints.items()
            if not name.startswith("_") and name not in {"OBJECT_NAME", "deleted"}
        }
        if "id" in made:
            made["id"] = identifier(kind)
        if "object" in made:
            made["object"] = getattr(kind, "OBJECT_NAME", made["object"])
        if self.variant == "newer":
            made["not_yet_documented"] = {"since": "2027", "of": [1, None, {"kind": "novel"}]}
        return made

    def value(self, name: str, hint: Any, depth: int) -> Any:
        """Something that fits the annotation."""
        hint = _resolved(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Union:
            return self._either(name, [_resolved(each) for each in arguments], depth)
        if origin is Literal:
            return arguments[0]
        if origin is list:
            return [self.value(name, arguments[0], depth)] if depth else []
        if origin is not None and inspect.isclass(origin) and issubclass(origin, ListObject):
            content = [self.value(name, arguments[0], depth - 1)] if depth > 1 else []
            return {"object": "list", "data": content, "has_more": False, "url": f"/v1/{name}"}
        if inspect.isclass(hint) and issubclass(hint, StripeObject):
            return self.object(hint, depth - 1) if depth else {}
        text = "gbp" if name == "currency" else name
        plain = {int: 500, str: text, bool: name != "livemode", float: 0.5, NoneType: None}
        return plain.get(hint, {})

    def _either(self, name: str, kinds: list[Any], depth: int) -> Any:
        if NoneType in kinds and (self.variant == "bare" or not depth):
            return None
        objects = [each for each in kinds if inspect.isclass(each) and issubclass(each, StripeObject)]
        if str in kinds and objects:  # may be expanded
            if self.variant == "expanded" and depth > 1:
                return self.object(objects[0], depth - 2)
            return identifier(objects[0])
        return self.value(name, next(each for each in kinds if each is not NoneType), depth)


def _resolved(hint: Any) -> Any:
    """Names of classes stand for them; whether a field may be left out makes no difference here."""
    if isinstance(hint, ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        text = re.sub(r"^(\w+)\[.*", r"\1", hint)
        return _named(text)
    if getattr(hint, "__origin__", None) is typing.NotRequired:
        return _resolved(hint.__args__[0])
    return hint


class Replay:
    """A Stripe on this machine that shows given objects: `GET /v1/<kind>s/<id>`; what was not given is shown bare."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}

    def __call__(self, made: dict[str, Any]) -> dict[str, Any]:
        """Has it shown under its id."""
        self.objects[made["id"]] = made
        return made

    def running(self) -> Iterator[str]:
        """Its address, while it runs."""
        replay = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = dumps(replay.shown(self.path.partition("?")[0])).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()

    def shown(self, path: str) -> dict[str, Any]:
        """The object at this path."""
        name, _, wanted = path.removeprefix("/v1/").partition("/")
        if wanted in self.objects:
            return self.objects[wanted]
        kind = _named("".join(word.title() for word in name.removesuffix("s").split("_")))
        return shape(kind, "bare") | ({"id": wanted} if wanted else {})
