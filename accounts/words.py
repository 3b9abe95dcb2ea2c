"""Words of a message: its template's subject and blocks of text, in the person's language and time zone.

A template is plain text. Its first line is the subject. Blocks are separated by empty lines: indented lines are facts,
lines that begin with "- " a list, `[label](address)` on a line of its own is a link, and anything else is a paragraph,
whose lines flow. Values of a context are on one line each, so none can begin a block of its own.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.models import Preferences, User
from luxewin.lines import one_line

LINK = re.compile(r"(?:\[(?P<label>[^\[\]]+)\]\()?(?P<address>https?://[^\s()]+)\)?")

#: A line of facts: a label, as French has it perhaps with a space before the colon, and a value.
FACT = re.compile(r"(.{1,40}?)\s?: (.+)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of text; `address` is where a link leads."""

    kind: Literal["heading", "paragraph", "facts", "list", "link"]
    lines: tuple[str, ...]
    address: str = ""

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return label and value of each line; without a label, it is empty."""
        return [(found[1], found[2]) if (found := FACT.fullmatch(line)) else ("", line) for line in self.lines]

    def __str__(self) -> str:
        if self.kind == "facts":
            return "\n".join(f"    {line}" for line in self.lines)
        if self.kind == "list":
            return "\n".join(f"- {line}" for line in self.lines)
        return f"{self.lines[0]}\n{self.address}" if self.address not in {"", *self.lines} else self.lines[0]


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says."""

    subject: str
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """Return the blocks as plain text."""
        return "\n\n".join(map(str, self.blocks))


def kinds() -> list[str]:
    """Return all kinds of messages; each has its template."""
    return sorted(template.stem for template in (settings.BASE_DIR / "templates" / "mail").glob("*.txt"))


@contextmanager
def habits_of(user: User) -> Iterator[str]:
    """Write as the person reads, in their language and time zone; the value is the language's code.

    A language that is no longer offered is English. Cost: one query unless the preferences were selected.
    """
    preferences = getattr(user, "preferences", None) or Preferences()
    offered = dict(settings.LANGUAGES)
    language = preferences.language if preferences.language in offered else settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(ZoneInfo(preferences.time_zone)):
        yield language


def write(kind: str, context: dict[str, Any], language: str) -> Words:
    """Return the words of `templates/mail/<kind>.txt`, or of its translation."""
    context = on_lines(context) | {
        "site": settings.FRONTEND_URL or settings.PUBLIC_URL,
        "backend": settings.PUBLIC_URL,
        "support": settings.SUPPORT_EMAIL,
    }
    if reason := context.get("reasons", {}).get(language):
        context["reason"] = reason
    # English has no folder of its own, and is the fallback for missing translations.
    text = render_to_string([f"mail/{language}/{kind}.txt", f"mail/{kind}.txt"], context)
    subject, _, body = text.partition("\n")
    return Words(subject.strip(), tuple(map(_read, filter(str.strip, re.split(r"\n\s*\n", body.strip("\n"))))))


def digest(parts: list[Words], language: str) -> Words:
    """Return messages as one, each under its own subject."""
    subject = render_to_string(f"mail/frame/{language}/digest.txt", {"count": len(parts)})
    blocks = (block for part in parts for block in (Block("heading", (part.subject,)), *part.blocks))
    return Words(subject.strip(), tuple(blocks))


def on_lines(value: Any) -> Any:
    """Return a context with each of its texts on one line."""
    if isinstance(value, dict):
        return {key: on_lines(each) for key, each in value.items()}
    if isinstance(value, list):
        return [on_lines(each) for each in value]
    return one_line(value) if isinstance(value, str) else value


def _read(part: str) -> Block:
    raw = [line for line in part.split("\n") if line.strip()]
    lines = tuple(line.strip() for line in raw)
    if all(line.startswith("    ") for line in raw):
        return Block("facts", lines)
    if all(line.startswith("- ") for line in raw):
        return Block("list", tuple(line.removeprefix("- ") for line in lines))
    if len(lines) == 1 and (found := LINK.fullmatch(lines[0])):
        return Block("link", (found["label"] or found["address"],), found["address"])
    return Block("paragraph", (" ".join(lines),))
