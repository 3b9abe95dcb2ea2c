"""A language made from the English catalogue: every letter of its texts is a Hebrew one.

Whatever still has Latin letters is a value, or a text that is not in the catalogue. It is written from right to left.
"""

import re
from pathlib import Path
from string import ascii_letters
from typing import Any

import pytest

CODE = "he"
# What is no text: tags, values, and where links lead.
LEFT = re.compile(r"({%.*?%}|{{.*?}}|\]\(.*?\))", re.DOTALL)
LETTERS = {ord(letter): chr(0x5D0 + ord(letter.lower()) - ord("a")) for letter in ascii_letters}


def translated(text: str) -> str:
    """Return an English template in the language."""
    return "".join(part if LEFT.fullmatch(part) else part.translate(LETTERS) for part in LEFT.split(text))


@pytest.fixture
def pseudo_language(tmp_path: Path, settings: Any) -> Path:
    """Offers the language; the value is the folder of its catalogue."""
    english = Path(settings.BASE_DIR) / "templates" / "mail"
    for source, target in ((english, f"mail/{CODE}"), (english / "frame" / "en", f"mail/frame/{CODE}")):
        folder = tmp_path / target
        folder.mkdir(parents=True)
        for file in source.glob("*.txt"):
            (folder / file.name).write_text(translated(file.read_text()))
    settings.LANGUAGES = [*settings.LANGUAGES, (CODE, "Pseudo")]
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [engine | {"DIRS": [tmp_path, *engine["DIRS"]]}]
    return tmp_path / "mail" / CODE
