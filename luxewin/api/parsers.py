"""Parsing of request bodies."""

import json
from math import isfinite
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 32


class BoundedJSONParser(JSONParser):
    """JSON by RFC 8259, in UTF-8; input that parsers interpret differently is refused."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the parsed body; raise ParseError (400) for anything but JSON of at most MAX_DEPTH levels.

        Also refused: an object with a duplicate name; NaN and numbers beyond a float; integers of more digits than
        Python reads (4,300); and half a surrogate pair, which can be escaped, but neither stored nor sent back. The
        stream holds at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.
        """
        try:
            text = stream.read().decode()
            data = json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant)
            # The exception for a deep document depends on its depth.
            if _deeper_than(data, MAX_DEPTH):
                raise ParseError(f"JSON parse error - nested more than {MAX_DEPTH} levels deep")
            json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ParseError("JSON parse error - half a surrogate pair is no character") from error
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error
        return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("an object has the same name twice")
    return read


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _deeper_than(data: Any, limit: int) -> bool:
    level = [data]
    for _ in range(limit + 1):
        level = [child for node in level if isinstance(node, dict | list) for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: dict[str, Any] | list[Any]) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node
