"""The contract with clients, as files: docs/openapi.yaml and docs/errors.md, made from the code."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

ERRORS = """# Errors

Every error of the API is a problem document (RFC 9457, `application/problem+json`) with `type`, `title`, `status`,
`detail` for the person, `code` for programs and `request_id` for support. Codes and the members below do not change;
texts do. The code `invalid` names every fault in `errors`: `field` (nested names joined by dots), `code` and `detail`.
Which codes an operation has is in [openapi.yaml](openapi.yaml). Repeat 429 and 503 after `Retry-After` seconds, with
the same `Idempotency-Key`.

`Accept-Language` chooses the language of `detail` and of each fault's: English, German or French, as `Content-Language`
says. Codes that only staff meet, and refusals of anonymous public reads, are in English.

This page is made by `manage.py contract`; do not edit it.
"""


def files() -> dict[Path, str]:
    """Return the text of each file by its path. Cost: some seconds of CPU."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    folder = settings.BASE_DIR / "docs"
    text = OpenApiYamlRenderer().render(document, "application/vnd.oai.openapi", {}).decode()
    return {folder / "openapi.yaml": text, folder / "errors.md": _errors(document)}


def _errors(document: dict[str, Any]) -> str:
    schemas, users = document["components"]["schemas"], _users(document)
    rows = []
    for name in users:
        properties = dict(schemas[name]["properties"])
        code, status = (properties[member]["const"] for member in ("code", "status"))
        own = [f"`{member}`" for member in properties if member not in STANDARD]
        given = "any" if len(users[name]) > MANY else ", ".join(f"`{each}`" for each in sorted(users[name]))
        rows.append((status, code, ", ".join(own), schemas[name].get("description", ""), given))
    lines = [f"| {status} | `{code}` | {own} | {about} | {given} |" for status, code, own, about, given in sorted(rows)]
    head = ["| status | code | members | meaning | operations |", "|---|---|---|---|---|"]
    return "\n".join([ERRORS, *head, *lines, ""])


STANDARD = ("type", "title", "status", "detail", "code", "request_id")
#: A code of more operations than these is of all of their kind.
MANY = 12


def _users(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the ids of the operations that can give each problem, by its schema."""
    found: dict[str, set[str]] = defaultdict(set)
    for verbs in document["paths"].values():
        for facts in verbs.values():
            for name in problems_of(facts, document):
                found[name].add(facts["operationId"])
    return found


def problems_of(operation: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """Return the names of the schemas of an operation's problem documents."""
    found = set()
    for response in operation["responses"].values():
        name = response.get("$ref", "").rpartition("/")[2]
        content = (document["components"]["responses"][name] if name else response).get("content", {})
        schema = content.get("application/problem+json", {}).get("schema", {})
        found |= {each["$ref"].rpartition("/")[2] for each in schema.get("oneOf", [schema]) if each}
    return found
