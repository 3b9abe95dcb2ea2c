"""Sample messages: every kind in every language, with made-up data and without working links."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from accounts.mail import Mail
from accounts.models import Notification, Preferences, User
from accounts.notifications import compose
from luxewin.clock import database_now

# Stands where a link would open something.
NOTHING = "sample"


def sample_context() -> dict[str, Any]:
    """Return what any kind names; what is left out would show as nothing."""
    soon = (database_now() + timedelta(days=7)).isoformat()
    an_id = UUID(int=7).hex
    return {
        "raffle": "A fine watch",
        "raffle_id": an_id,
        "slug": "a-fine-watch",
        "lines": ["The box is blue.", "So is the strap."],
        "change": an_id,
        "export": an_id,
        "deletion": an_id,
        "expires_at": soon,
        "due_at": soon,
        "until": soon,
        "claim_until": soon,
        "claims": [{"prize": "A watch of gold", "ticket": 11}, {"prize": "A strap", "ticket": 12}],
        "version": "2026-12",
        "url": "https://example.com/terms/2026-12",
        "begins": soon,
        "paid_at": soon,
        "email": "new@example.com",
        "changed": ["display_name", "country"],
        "usable": True,
        "left": 7,
        "limit": 50_000,
        "next_limit": 100_000,
        "next_from": soon,
        "tickets": {"first": 11, "last": 13, "count": 3},
        "number": "2026-000123",
        "price": 2_500,
        "amount": 7_500,
        "tax": {"name": "VAT", "percent": "20", "amount": 1_250},
        "card": "Visa •••• 4242",
        "currency": "gbp",
        "reason": "The watch was lost.",
        "prize": "A watch of gold",
        "ticket": 11,
        "wanted": "A photo of your passport.",
        "carrier": "DHL Express",
        "tracking": "JD0146 0000 1234",
        "places": [{"ticket": 12, "place": 1}, {"ticket": 13, "place": 4}],
        "address": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
        "chain_id": 1,
        "balance": "0.01 ETH",
        "needed": "0.05 ETH",
        "sequence": 42,
        "state": "committed",
        "round": 5_231_977,
        "now": 5_231_978,
        "told": "draw_won",
        "id": an_id,
        "endpoint": "https://books.example.com/hooks",
        "event": "purchase.paid",
        "disabled": True,
        "due": soon,
        "purchase": "",
        "device": "Firefox on Windows",
        "place": "203.0.113.0/24",
        "at": soon,
        "last": soon,
        "count": 23,
        "more": True,
        "differences": ["refund re_1: failed here, succeeded at Stripe"],
        "run": 1,
    }


def sample_mail(kind: str, language: str) -> Mail:
    """Return the mail of this kind as somebody of this language would get it. Its links open nothing."""
    user = User(email="ada@example.com", display_name="Ada Example", email_verified_at=database_now())
    # Its cache is the user's too.
    Preferences(user=user, language=language)
    mail = compose(Notification(user=user, kind=kind, context=sample_context()))
    html = str(mail.alternatives[0][0])
    for secret in mail.unstored:
        mail.body, html = mail.body.replace(secret, NOTHING), html.replace(secret, NOTHING)
    mail.alternatives.clear()
    mail.attach_alternative(html, "text/html")
    return mail
