"""How the attackers ask."""

from collections.abc import Callable

import pytest

from accounts.tests.browsing import Device
from luxewin.tests.contract.sample_data import PASSWORD, World


@pytest.fixture
def devices(world: World) -> Callable[[str], list[Device]]:
    """`devices("other")`: that person's devices, one in each mode."""

    def make(role: str) -> list[Device]:
        made = [Device("bearer"), Device("cookie")]
        user = world.cast[role]
        assert user
        for device in made:
            if not user.has_usable_password():
                user.set_password(PASSWORD)
                user.save()
            assert device.sign_in(user.email, PASSWORD).status_code == 200
        return made

    return make
