"""What the mail catcher caught."""

import json
import os
import re
from urllib.parse import quote
from urllib.request import urlopen


def mails_to(address: str) -> list[dict[str, str]]:
    """The messages that reached this address by SMTP, oldest first."""
    with urlopen(f"{os.environ['MAIL_CATCHER_URL']}/messages?to={quote(address)}", timeout=30) as answer:
        return json.load(answer)


def token_in(mail: dict[str, str]) -> str:
    """The token of the link in a mail."""
    return re.search(r"[?&]token=([^\s&]+)", mail["text"])[1]
