"""The texts of problem documents in the reader's language: `templates/problems/LANGUAGE.toml`, by code.

English is written where a problem is raised. A further language is one more file. Codes that only staff meet have no
translation, and keep their English text.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal
from django.conf import settings


@cache
def catalogue(language: str) -> dict[str, dict[str, str]]:
    """Return the texts of a language: `problems` by code, and `faults` of single fields by code."""
    with (settings.BASE_DIR / "templates" / "problems" / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


def translated(body: dict[str, Any], language: str) -> dict[str, Any]:
    """Return a problem document with its texts in this language, where it has them."""
    if language == settings.LANGUAGE_CODE:
        return body
    words = catalogue(language)
    changed = {"detail": _filled(words["problems"].get(body["code"]), body, language) or body["detail"]}
    if "errors" in body:
        faults = words["faults"]
        changed["errors"] = [fault | {"detail": faults.get(fault["code"], fault["detail"])} for fault in body["errors"]]
    return body | changed


def _filled(text: str | None, members: Mapping[str, Any], language: str) -> str | None:
    """Return the text with the members that it names; None if the document lacks one."""
    if text is None:
        return None
    try:
        return text.format_map({name: _shown(value, language) for name, value in members.items() if value is not None})
    except KeyError:
        return None


def _shown(value: Any, language: str) -> str:
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return f"{format_date(at, 'long', locale=language)}, {at:%H:%M} UTC"
    if isinstance(value, int):
        return format_decimal(value, locale=language)
    return str(value)
