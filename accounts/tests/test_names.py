"""Initials of names in any script."""

import pytest

from accounts.names import initials


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada Lovelace", "A.L."),
        ("ada de la ñuñez", "A.D.L.Ñ."),
        ("e\u0301mile zola", "E\u0301.Z."),
        ("(Bob) O'Hara", "B.O."),
        ("ßeta", "Ss."),
        ("Жанна д'Арк", "Ж.Д."),
        ("ნინო", "ნ."),
        ("क्षमा शर्मा", "क्ष.श."),
        ("王小明", "王."),
        ("محمد علي", "م.ع."),
        ("דוד", "ד."),
        ("한 유나", "한.유."),
        ("🎉 Party 👩‍🚀", "P."),
        ("🎉 - 7", ""),
        ("", ""),
    ],
)
def test_each_word_gives_its_first_letter_with_its_marks(name, expected):
    assert initials(name) == expected
