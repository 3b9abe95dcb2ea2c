"""The stage of the tests of accounts: mail goes out for real."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from accounts.supabase import asking
from accounts.tests.project import PUBLIC_KEY, Project
from luxewin import settings as project_settings


@pytest.fixture
def real_mail(settings: Any) -> None:
    """Mail leaves by SMTP, as configured; Django's test runner would keep it to itself."""
    settings.MAILERS = project_settings.MAILERS


@pytest.fixture
def project(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The Supabase project of the settings; on a busy machine its answers may take their time."""
    made = Project()
    settings.SUPABASE_URL, settings.SUPABASE_PUBLISHABLE_KEY = made.url, PUBLIC_KEY
    monkeypatch.setattr(asking, "PATIENCE", 30)
    yield made
    made.stop()


@pytest.fixture
def impatient(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a project that does not answer at all."""
    monkeypatch.setattr(asking, "PATIENCE", 0.3)


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
