"""The stage of the tests of accounts: mail goes out for real."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from luxewin import settings as roof


@pytest.fixture
def real_mail(settings: Any) -> None:
    """Mail leaves by SMTP, as configured; Django's test runner would keep it to itself."""
    settings.MAILERS = roof.MAILERS


@pytest.fixture
def registration() -> Callable[..., dict[str, Any]]:
    """What a new person sends; each address is new, because the mail catcher forgets nothing."""

    def make(**changes: Any) -> dict[str, Any]:
        fields = {
            "email": f"dana-{uuid4().hex}@example.com",
            "password": "correct horse battery staple",
            "display_name": "Dana",
            "date_of_birth": "1990-05-17",
            "country": "gb",
        }
        return fields | changes

    return make
