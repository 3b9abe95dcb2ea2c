"""Text on one line: titles, names, reasons. Mails, pages and logs show them on one line, and mail headers must."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

# What ends a line for `str.splitlines`, and so for mail headers; other control characters; what turns the words around.
ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Put what is stored already on one line: a space stands for each run of odd characters, none at the ends."""
    if not ODD.search(text):
        return text
    return " ".join(filter(None, (part.strip() for part in ODD.split(text))))


def validate_one_line(text: str) -> None:
    """Raise ValidationError for text with an odd character; it says which, for nobody sees it."""
    if found := ODD.search(text):
        fault = f"No line break, control character or change of direction: U+{ord(found[0]):04X} is character %d."
        raise ValidationError(fault % (found.start() + 1), code="odd_character")


class LineField(models.CharField):
    """A column for text on one line: forms, serializers made from the model and `full_clean` refuse anything else,
    and what comes past them is folded.
    """

    default_validators = [validate_one_line]

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """On one line in the row and on the instance, whichever code wrote it and past whichever form."""
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = one_line(value)
            setattr(model_instance, self.attname, value)
        return value
