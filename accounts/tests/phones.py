"""A phone with an authenticator app; its codes come from another implementation of RFC 6238 than the product's."""

import time
from base64 import b32decode
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from accounts import services
from accounts.models import Authenticator, User

PASSWORD = "correct horse battery staple"
STEP = 30


class Phone:
    """Shows codes of the secret of an otpauth link."""

    def __init__(self, uri: str) -> None:
        self.facts = {name: values[0] for name, values in parse_qs(urlsplit(uri).query).items()}
        secret = b32decode(self.facts["secret"])
        self._totp = TOTP(secret, int(self.facts["digits"]), SHA1(), int(self.facts["period"]))
        #: What its owner has printed.
        self.recovery_codes: list[str] = []

    def code(self, steps: int = 0) -> str:
        """What it shows now, or so many steps later."""
        return self._totp.generate(int(time.time()) + steps * STEP).decode()

    def wrong_code(self) -> str:
        """Six digits that it does not show anywhere near now."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(digits for digits in ("111111", "222222", "333333", "444444") if digits not in near)


def enrolled(user: User) -> Phone:
    """Gives this person PASSWORD and a second factor, and their phone back."""
    user.set_password(PASSWORD)
    user.save()
    phone = Phone(services.offer_authenticator(user).config_url)
    phone.recovery_codes = services.confirm_authenticator(user, code=phone.code(), session=None)
    half_a_minute_passes(user)
    return phone


def half_a_minute_passes(user: User) -> None:
    """The code that was used last is long past: what the phone shows now was not used."""
    Authenticator.objects.filter(user=user).update(last_t=-1)
