"""Public reasons, which staff must give and which must fit."""

from luxewin.api.problems import InvalidInput
from luxewin.lines import one_line


def public_reason(text: str, most: int) -> str:
    """Return the text on one line. Raises InvalidInput if it is empty or longer than `most` characters."""
    reason = " ".join(one_line(text).split())
    if not reason:
        raise InvalidInput.of("reason", "required", "Give a reason. Anyone can read it.")
    if len(reason) > most:
        raise InvalidInput.of("reason", "max_length", f"At most {most} characters.")
    return reason
