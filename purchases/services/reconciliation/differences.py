"""What a comparison finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides, in words."""

    text: str
    #: What was done about it; empty: nothing.
    done: str = ""
    #: Whether it is gone by that.
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.text}; {self.done}" if self.done else self.text
