"""Text on one line (titles, names, reasons), as mails, pages and logs show it, and mail headers require."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from luxewin.characters import ODD, is_invisible


def one_line(text: str) -> str:
    """Return stored text on one line: each run of odd characters becomes a space, and none at the ends."""
    if not ODD.search(text):
        return text
    return " ".join(filter(None, (part.strip() for part in ODD.split(text))))


def validate_one_line(text: str) -> None:
    """Raise ValidationError for text with an odd character, or of which nothing can be seen.

    The message names the character, because it is invisible.
    """
    if found := ODD.search(text):
        fault = f"No line break, control character or change of direction: U+{ord(found[0]):04X} is character %d."
        raise ValidationError(fault % (found.start() + 1), code="odd_character")
    if text and is_invisible(text):
        raise ValidationError("Nothing of this text can be seen.", code="invisible")


class LineField(models.CharField):
    """A column for text on one line. Forms, serializers made from the model and `full_clean` refuse other text.

    Text saved without them is folded.
    """

    default_validators = [validate_one_line]

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """Fold the row and the instance to one line, whatever code wrote it."""
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = one_line(value)
            setattr(model_instance, self.attname, value)
        return value
