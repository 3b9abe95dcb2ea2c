"""The payment receipt as a PDF of one page: what the mail says of it, with who issued it."""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

from anyascii import anyascii
from django.conf import settings

from accounts.models import User
from accounts.words import Words, habits_of, write
from purchases import receipts, services
from purchases.models import Purchase

MARGIN, LINE, VALUE_AT = 56, 20, 200
REGULAR, BOLD = "Vera", "VeraBd"


def of_purchase(purchase: Purchase, user: User) -> tuple[str, bytes]:
    """Return number and document of the receipt, in the person's language; it is issued if it was not yet.

    Raise NothingPaid. Cost: a handful of statements, and `draw`'s.
    """
    receipt = services.issue_receipt(purchase.pk)
    context = receipts.facts_of(purchase) | services.receipt_facts(receipt, purchase)
    with habits_of(user) as language:
        words = write("purchase_paid", context | {"card": receipts.card_of(purchase)}, language)
    issuer = [settings.OPERATOR_NAME, *settings.OPERATOR_ADDRESS]
    return str(receipt), draw(words, title=f"{settings.OPERATOR_NAME} {receipt}", issuer=issuer)


def draw(words: Words, *, title: str, issuer: list[str]) -> bytes:
    """Return the document. `issuer` is one line each; letters that the font lacks are written in ASCII.

    The same input makes the same bytes. Cost: 5 ms, and the library's import the first time.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfbase.pdfmetrics import stringWidth
    from reportlab.pdfgen.canvas import Canvas

    covered = _covered()
    buffer = io.BytesIO()
    page = Canvas(buffer, pagesize=A4, invariant=1)
    width, height = A4
    page.setTitle(title)
    page.setAuthor(issuer[0])
    top = height - MARGIN

    def write(text: str, *, at: float = MARGIN, size: int = 11, font: str = REGULAR) -> None:
        """Write a text, in as many lines as it needs, and move down."""
        nonlocal top
        line = ""
        for word in _pieces(_plain(text, covered), width - MARGIN - at, lambda part: stringWidth(part, font, size)):
            longer = f"{line} {word}".strip()
            if line and stringWidth(longer, font, size) > width - MARGIN - at:
                _put(page, line, at, top, font, size)
                top -= LINE
                longer = word
            line = longer
        _put(page, line, at, top, font, size)
        top -= LINE

    for number, line in enumerate(issuer):
        write(line, font=BOLD if number == 0 else REGULAR)
    top -= 2 * LINE
    write(words.subject, size=15, font=BOLD)
    top -= LINE
    for label, value in (fact for block in words.blocks if block.kind == "facts" for fact in block.facts):
        start = top
        write(label)
        top = start
        write(value, at=VALUE_AT)
    page.showPage()
    page.save()
    return buffer.getvalue()


def _put(page: Any, text: str, x: float, y: float, font: str, size: int) -> None:
    page.setFont(font, size)
    page.drawString(x, y, text)


def _pieces(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """Return the words, and those that are too wide for a line in parts."""
    pieces = []
    for word in text.split(" "):
        part = ""
        for letter in word:
            if part and width(part + letter) > room:
                pieces.append(part)
                part = ""
            part += letter
        pieces.append(part)
    return pieces


@cache
def _covered() -> frozenset[int]:
    """Register the fonts that come with the library, once, and return the characters that they have."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    fonts = [TTFont(name, f"{name}.ttf") for name in (REGULAR, BOLD)]
    for font in fonts:
        registerFont(font)
    return frozenset(fonts[0].face.charToGlyph) & frozenset(fonts[1].face.charToGlyph)


def _plain(text: str, covered: frozenset[int]) -> str:
    # The narrow space of French numbers is a space to the font.
    shown = text.replace("\u202f", "\u00a0")
    return "".join(each if ord(each) in covered else anyascii(each) for each in shown)
