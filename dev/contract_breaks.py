"""What breaks clients of the last release: docs/openapi.yaml compared with the one of that release's tag.

    python -m dev.contract_breaks [EARLIER.yaml]

The last release is the first one that heads a section of CHANGELOG.md, `## [1.2.0]`, and has the tag `v1.2.0`. A break
is allowed if an item of the section Unreleased begins with `Breaking:` and names what breaks in backticks, such as
`GET raffles/list`, a problem's code or a webhook's event.

Not a break: what is added, a further value of an enumeration in an answer, another text, and other bounds of what is
answered.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
CONTRACT = "docs/openapi.yaml"
PREFIX = "/api/v1/"
VERBS = ("get", "post", "put", "patch", "delete")
SUCCESS = re.compile("2..")
AT_MOST, AT_LEAST = ("maximum", "maxLength", "maxItems"), ("minimum", "minLength", "minItems")
UNION = ("oneOf", "anyOf")
ANYTHING = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


@dataclass(frozen=True, slots=True, order=True)
class Break:
    """What breaks, by the name that the change log has to say, and how."""

    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.name}: {self.how}"


class Document:
    """An OpenAPI document whose references are followed."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def at(self, node: Any) -> dict[str, Any]:
        """Return what a node is, or what it refers to."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.content
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node if isinstance(node, dict) else {}

    def operations(self) -> dict[str, dict[str, Any]]:
        """Return the operations by name: `GET raffles/list`."""
        return {
            f"{verb.upper()} {path.removeprefix(PREFIX)}": verbs[verb]
            for path, verbs in self.content["paths"].items()
            for verb in VERBS
            if verb in verbs
        }

    def parameters(self, operation: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return an operation's parameters by place and name."""
        found = map(self.at, operation.get("parameters", ()))
        return {(each["in"], each["name"]): each for each in found}

    def problems(self) -> dict[str, dict[str, Any]]:
        """Return the schemas of problem documents by code."""
        schemas = self.content.get("components", {}).get("schemas", {})
        problems = {name: each for name, each in schemas.items() if name.endswith("Problem")}
        return {each["properties"]["code"]["const"]: each for each in problems.values()}

    def variants(self, schema: Any) -> list[dict[str, Any]]:
        """Return the alternatives that a schema is, each resolved and of one type or more."""
        node = self.at(schema)
        if len(node.get("allOf", ())) == 1:
            return self.variants(node["allOf"][0])
        parts = [part for word in UNION for part in node.get(word, ())]
        return [each for part in parts for each in self.variants(part)] or [node]


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether what one document describes is within what another does."""

    inner: Document
    outer: Document
    #: Of a request the outer takes nothing else; of an answer whoever reads the outer passes over more.
    is_request: bool

    def faults(self, inner: Any, outer: Any, path: str = "", seen: tuple[int, ...] = ()) -> Iterator[str]:
        """Yield how a value that `inner` allows can be none of `outer`; `path` is where it is."""
        theirs = self.outer.variants(outer)
        for mine in self.inner.variants(inner):
            if id(mine) in seen:
                continue
            for kind in sorted(_types(mine)):
                found = [list(self._of_one(kind, mine, their, path, (*seen, id(mine)))) for their in theirs]
                if all(found):
                    yield from min(found, key=len)

    def _of_one(
        self, kind: str, inner: dict[str, Any], outer: dict[str, Any], path: str, seen: tuple[int, ...]
    ) -> Iterator[str]:
        """Yield how values of one type that a schema allows can be none of another schema's."""
        where, kinds = path or "the body", _types(outer)
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            yield f"{where} is {kind}"
            return
        if "format" in outer and inner.get("format") != outer["format"] and kind != "null":
            yield f"{where} has the format {inner.get('format')} instead of {outer['format']}"
        if self.is_request:
            yield from _narrowed(inner, outer, where)
        if kind == "object":
            yield from self._of_members(inner, outer, path, seen)
        if kind == "array" and "items" in outer and "items" in inner:
            yield from self.faults(inner["items"], outer["items"], f"{path}[]", seen)

    def _of_members(
        self, inner: dict[str, Any], outer: dict[str, Any], path: str, seen: tuple[int, ...]
    ) -> Iterator[str]:
        mine, theirs = inner.get("properties", {}), outer.get("properties", {})
        for name in outer.get("required", ()):
            if name not in inner.get("required", ()):
                yield f"{_join(path, name)} is {'needed' if self.is_request else 'not always there'}"
        for name, schema in mine.items():
            if name in theirs:
                yield from self.faults(schema, theirs[name], _join(path, name), seen)
            elif self.is_request and outer.get("additionalProperties") is False:
                yield f"{_join(path, name)} is not taken"
        if not self.is_request:
            optional = theirs.keys() - set(outer.get("required", ())) - mine.keys()
            yield from (f"{_join(path, name)} is gone" for name in sorted(optional))


def _types(schema: dict[str, Any]) -> set[str]:
    named = schema.get("type")
    if named is None:
        values = [schema["const"]] if "const" in schema else schema.get("enum", ())
        kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
        return {kinds[type(value)] for value in values} or set(ANYTHING)
    return {named} if isinstance(named, str) else set(named)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _narrowed(inner: dict[str, Any], outer: dict[str, Any], where: str) -> Iterator[str]:
    """Yield the bounds and values that a request may no longer have."""
    if "enum" in outer:
        gone = [str(value) for value in inner.get("enum", ["other values"]) if value not in outer["enum"]]
        if gone:
            yield f"{where} is no longer {' or '.join(gone)}"
    for word in AT_MOST:
        if word in outer and outer[word] < inner.get(word, float("inf")):
            yield f"{word} of {where} is {outer[word]}"
    for word in AT_LEAST:
        if word in outer and outer[word] > inner.get(word, float("-inf")):
            yield f"{word} of {where} is {outer[word]}"
    if "pattern" in outer and inner.get("pattern") != outer["pattern"]:
        yield f"{where} has another pattern"


def breaks(earlier: dict[str, Any], later: dict[str, Any]) -> list[Break]:
    """Return everything by which a client of the earlier document can fail with the later one."""
    old, new = Document(earlier), Document(later)
    taken, given = Fit(old, new, is_request=True), Fit(new, old, is_request=False)
    found: list[Break] = []
    operations, problems = new.operations(), new.problems()
    for name, operation in old.operations().items():
        hows = _of_operation(operation, operations[name], taken, given) if name in operations else ["it is gone"]
        found += [Break(name, how) for how in hows]
    for code, schema in old.problems().items():
        found += [Break(code, how) for how in given.faults(problems[code], schema)] if code in problems else []
    webhooks = new.content.get("webhooks", {})
    for event, verbs in old.content.get("webhooks", {}).items():
        hows = _of_bodies(verbs["post"], webhooks[event]["post"], given) if event in webhooks else ["it is gone"]
        found += [Break(event, how) for how in hows]
    return sorted(set(found))


def _of_operation(before: dict[str, Any], after: dict[str, Any], taken: Fit, given: Fit) -> Iterator[str]:
    if before["operationId"] != after["operationId"]:
        yield f"its operationId is {after['operationId']} instead of {before['operationId']}"
    old, new = taken.inner, taken.outer
    was, now = old.parameters(before), new.parameters(after)
    for (place, name), parameter in was.items():
        if (place, name) not in now:
            yield f"the parameter {name} is gone"
        else:
            yield from taken.faults(parameter["schema"], now[place, name]["schema"], name)
    for key, parameter in now.items():
        if parameter.get("required") and not was.get(key, {}).get("required"):
            yield f"the parameter {key[1]} is needed"
    yield from _of_bodies(before, after, taken)
    yield from _of_answers(before["responses"], after["responses"], given)


def _of_answers(before: dict[str, Any], after: dict[str, Any], given: Fit) -> Iterator[str]:
    for status in filter(SUCCESS.fullmatch, before):
        if status not in after:
            yield f"it does not answer {status}"
            continue
        said = given.outer.at(before[status]).get("content", {})
        says = given.inner.at(after[status]).get("content", {})
        for media, content in said.items():
            if media not in says:
                yield f"it does not answer {media}"
            else:
                yield from given.faults(says[media]["schema"], content["schema"])


def _of_bodies(before: dict[str, Any], after: dict[str, Any], fit: Fit) -> Iterator[str]:
    """Yield what of a body breaks; `before` is of the earlier document, whichever side of `fit` that is."""
    was, now = before.get("requestBody", {}), after.get("requestBody", {})
    if now.get("required") and not was.get("required"):
        yield "a body is needed"
    for media, content in was.get("content", {}).items():
        if media not in now.get("content", {}):
            yield f"it does not take {media}"
        else:
            pair = content["schema"], now["content"][media]["schema"]
            yield from fit.faults(*(pair if fit.is_request else reversed(pair)))


def unsaid(found: list[Break], changes: str) -> list[Break]:
    """Return the breaks that the section Unreleased of the change log does not name."""
    section = re.search(r"^## \[Unreleased\]$(.*?)(?=^## |\Z)", changes, re.MULTILINE | re.DOTALL)
    items = re.findall(r"^- Breaking:.*?(?=^- |^#|\Z)", section[1] if section else "", re.MULTILINE | re.DOTALL)
    said = {name for item in items for name in re.findall("`([^`]+)`", " ".join(item.split()))}
    return [each for each in found if each.name not in said]


def released(changes: str) -> str | None:
    """Return the last released contract; None if nothing is released. Raise LookupError if the tag is not here."""
    version = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changes, re.MULTILINE)
    if not version:
        return None
    command = ["git", "show", f"v{version[1]}:{CONTRACT}"]
    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)  # noqa: S603 our own
    if done.returncode:
        raise LookupError(f"{done.stderr.strip()}: the last release's tag is needed (git fetch --tags)")
    return done.stdout


def main(arguments: list[str]) -> int:
    """Print the breaks that are not said; return the exit status."""
    changes = (PROJECT / "CHANGELOG.md").read_text()
    try:
        earlier = Path(arguments[0]).read_text() if arguments else released(changes)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if earlier is None:
        print("nothing is released yet, so there is no contract to keep")
        return 0
    old, new = (yaml.load(text, yaml.CSafeLoader) for text in (earlier, (PROJECT / CONTRACT).read_text()))
    found = unsaid(breaks(old, new), changes)
    for each in found:
        print(f"{each}\n    keep it, or say so in CHANGELOG.md, Unreleased: - Breaking: `{each.name}` …")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
