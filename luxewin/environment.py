"""Reading the environment: typed, bounded, secrets from files too; all faults are collected and reported at once.

An unset or empty variable has its default. An unreadable one has its default as well, and a fault with which no process
starts (`luxewin.checks`).
"""

import ipaddress
import math
import os
import pwd
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import environ

from luxewin.characters import ODD, is_invisible

PRODUCTION, STAGING, DEVELOPMENT = "production", "staging", "development"
YES, NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
FILE = "_FILE"


def environment_name(default: str = PRODUCTION) -> str:
    """Return LUXEWIN_ENV. Exit on anything but the three names: a typo would switch off every safety check."""
    name = os.environ.get("LUXEWIN_ENV", "") or default
    if name not in {PRODUCTION, STAGING, DEVELOPMENT, default}:
        sys.exit(f"LUXEWIN_ENV is {name[:40]!r}: set {PRODUCTION}, {STAGING} or {DEVELOPMENT}.")
    return name


def secret_file_fault(path: str) -> str:
    """Return why this process cannot read a file, without any of its content; empty if it can."""
    try:
        Path(path).read_text()
    except OSError as error:
        return f"{path} cannot be read by user {user_name()}: {error.strerror}."
    except UnicodeDecodeError:
        return f"{path} cannot be read: it is not text."
    return ""


def user_name() -> str:
    """Return the user that this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def is_open_to_all(path: str) -> bool:
    """Whether users besides the owner and the group may read the file."""
    try:
        return bool(Path(path).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


class Environment:
    """The variables of a process. Each method reads one, and notes what is wrong with it in `faults`."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self.variables = variables
        #: The faults, each beginning with the variable's name, never with a secret in it.
        self.faults: list[str] = []
        #: Every variable that was read.
        self.names: set[str] = set()
        #: The files that secrets came from, by variable.
        self.files: dict[str, str] = {}

    def text(self, name: str, default: str = "", *, most: int = 2_000) -> str:
        """Read text on one line that can be seen, without blanks around it, of at most so many characters.

        It stands in headers of mails, in addresses and on pages.
        """
        value = self._read(name)
        if found := ODD.search(value):
            place = f"U+{ord(found[0]):04X} is character {found.start() + 1}"
            self.faults.append(f"{name} has a line break, a control character or a change of direction: {place}.")
        elif len(value) > most:
            self.faults.append(f"{name} has {len(value)} characters: at most {most}.")
        elif value and is_invisible(value):
            self.faults.append(f"{name} is set, and nothing of it can be seen.")
        else:
            return value or default
        return default

    def _read(self, name: str) -> str:
        self.names.add(name)
        return self.variables.get(name, "").strip()

    def secret(self, name: str, default: str = "", *, may_be_missing: bool = False) -> str:
        """Read a text, or the file that NAME_FILE names; `may_be_missing` if a command creates the file."""
        value, path = self._read(name), self.text(name + FILE)
        if not path:
            return value or default
        self.files[name + FILE] = path
        if value:
            self.faults.append(f"{name} and {name}{FILE} are both set: set one of them.")
            return default
        if may_be_missing and not Path(path).exists():
            return default
        if fault := secret_file_fault(path):
            self.faults.append(f"{name}{FILE}: {fault}")
            return default
        content = Path(path).read_text().strip()
        if not content:
            self.faults.append(f"{name}{FILE}: {path} is empty.")
        return content or default

    def flag(self, name: str, default: bool) -> bool:
        """Read a boolean in a common spelling; any other spelling is a fault."""
        value = self.text(name).lower()
        if value and value not in YES | NO:
            self.faults.append(f"{name} is {value[:40]!r}: set true or false.")
            return default
        return value in YES if value else default

    def integer(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        """Read a whole number within bounds."""
        return int(self._number(name, default, r"[+-]?\d{1,18}", "a whole number", least, most))

    def decimal(self, name: str, default: float, *, least: float = 0, most: float) -> float:
        """Read a number within bounds."""
        return self._number(name, default, r"[+-]?\d{1,18}(\.\d{1,18})?", "a number", least, most)

    def _number(self, name: str, default: float, form: str, what: str, least: float, most: float) -> float:
        value = self.text(name)
        if not value:
            return default
        number = float(value) if re.fullmatch(form, value, re.ASCII) else math.nan
        if not least <= number <= most:
            self.faults.append(f"{name} is {value[:40]!r}: set {what} from {least} to {most}.")
            return default
        return number if number % 1 else int(value.partition(".")[0])

    def networks(self, name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """Read a comma-separated list of networks, such as 10.1.0.0/16 or fd00:1::/64."""
        found = []
        for word in self.words(name):
            try:
                found.append(ipaddress.ip_network(word))
            except ValueError:
                self.faults.append(f"{name} has {word[:40]!r}: set networks such as 10.1.0.0/16.")
        return found

    def words(self, name: str) -> list[str]:
        """Read a comma-separated list, also on several lines; blanks around and empty entries are dropped."""
        return self._split(self._read(name))

    def secret_words(self, name: str) -> list[str]:
        """Read a secret comma-separated list; in its file, lines separate too."""
        return self._split(self.secret(name))

    def _split(self, text: str) -> list[str]:
        return [word.strip() for word in re.split(r"[,\r\n]", text) if word.strip()]

    def one_of(self, name: str, default: str, choices: set[str]) -> str:
        """Read one of these words."""
        value = self.text(name, default)
        if value not in choices:
            self.faults.append(f"{name} is {value[:40]!r}: set one of {', '.join(sorted(choices))}.")
            return default
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's settings of a PostgreSQL database; no fault shows the address, which may hold a password."""
        address = self.secret(name, default)
        try:
            found = (
                environ.Env.db_url_config(address) if re.match(r"(postgres|postgresql|pgsql|psql)://", address) else {}
            )
        except ValueError:
            found = {}
        if not found.get("NAME"):
            self.faults.append(f"{name} is no address of a database: set postgres://USER:PASSWORD@HOST:PORT/NAME.")
            return dict(environ.Env.db_url_config(default))
        return dict(found)

    def mail(self, name: str, default: str) -> dict[str, Any]:
        """Return the settings of an SMTP server, under django-environ's names."""
        address = self.secret(name, default)
        try:
            found = environ.Env.email_url_config(address) if re.match(r"smtp(s|\+tls|\+ssl)?://", address) else {}
        except ValueError:
            found = {}
        if not (found.get("EMAIL_HOST") and found.get("EMAIL_PORT")):
            self.faults.append(f"{name} is no address of a mail server: set smtp+tls://USER:PASSWORD@HOST:587.")
            return dict(environ.Env.email_url_config(default))
        if found["EMAIL_PORT"] == 465:
            # TLS from the first byte, whatever the scheme's name; STARTTLS would wait for ever there.
            found |= {"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True}
        return dict(found)

    def redis(self, name: str, default: str) -> str:
        """Return the address of a server that speaks the Redis protocol."""
        address = self.secret(name, default)
        if not re.fullmatch(r"(rediss?|unix)://[^\s]+", address):
            self.faults.append(f"{name} is no address of a Redis server: set redis://HOST:PORT/0 or rediss://….")
            return default
        return address
