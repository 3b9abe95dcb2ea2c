"""What made-up requests are about: real people, raffles in every state, purchases, tokens, so that requests get far."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.challenges import challenge_for
from accounts.links import change_token, reset_links, verification_links
from accounts.models import EmailChange, Identity, Notification, Terms, User
from accounts.notifications import notify
from accounts.services.second_factor import offer_authenticator
from accounts.tests.phones import PASSWORD, Phone, enrolled
from accounts.tests.project import Project
from accounts.tokens import TokenPair, open_session
from luxewin.api.examples import EXAMPLES
from purchases.models import Purchase
from purchases.tests.stage import buy, pay, seated
from raffles import services as raffle_services
from raffles.models import Raffle
from raffles.reminders import keep_favourite
from verification.models import Award, Draw, LogLeaf
from verification.services import accept_prize, advance_draw, ask_for_documents
from verification.services.log import sequence
from verification.tests.drawing import closed, committed, put_in_state

ROLES = ("anonymous", "buyer", "managers", "finance", "support", "auditors", "root")


class World:
    """Made as far as a test asks for it; nothing that a request does to it lasts."""

    def __init__(
        self,
        cast: dict[str, User | None],
        draft: Callable[..., Raffle],
        on_sale: Callable[..., Raffle],
        project: Project,
    ) -> None:
        self.cast, self._draft, self._on_sale, self._project = cast, draft, on_sale, project
        self._headers: dict[str, dict[str, str]] = {}

    def headers(self, role: str) -> dict[str, str]:
        """What this role sends to be known."""
        user = self.cast[role]
        if user and role not in self._headers:
            self._headers[role] = {"Authorization": f"Bearer {open_session(user, user_agent='test').access}"}
        return self._headers.get(role, {})

    @cached_property
    def buyer(self) -> User:
        """Owns all that is bought here, and has PASSWORD."""
        user = self.cast["buyer"]
        assert user
        return user

    @cached_property
    def phone(self) -> Phone:
        """The buyer's, with an authenticator: their older sessions are over."""
        self._headers.pop("buyer", None)
        return enrolled(self.buyer)

    @cached_property
    def offered(self) -> Phone:
        """The buyer's, with an authenticator that was not confirmed yet."""
        return Phone(offer_authenticator(self.buyer).config_url)

    @cached_property
    def terms(self) -> Terms:
        """The terms of sale in force."""
        return Terms.objects.create(version="2026-11", url="https://site.example/terms", effective_from=timezone.now())

    @cached_property
    def supabase(self) -> str:
        """Somebody's id at the Supabase project."""
        return self._project.person()

    @cached_property
    def identity(self) -> str:
        """The id of the buyer's account elsewhere."""
        made = Identity.objects.create(provider="supabase", subject=uuid4(), user=self.buyer, email=self.buyer.email)
        return str(made.pk)

    @cached_property
    def notification(self) -> str:
        """The id of what is in the buyer's inbox."""
        notify(self.buyer, "draw_lost", about="x", raffle="A fine watch", raffle_id="1")
        return str(Notification.objects.inbox_of(self.buyer).get(kind="draw_lost").pk)

    @cached_property
    def favourite(self) -> str:
        """The slug of a raffle that the buyer keeps."""
        return keep_favourite(self.buyer, self.open).raffle.slug

    def supabase_token(self) -> str:
        """Theirs."""
        return self._project.token(self.supabase)

    @cached_property
    def tokens(self) -> TokenPair:
        """A session of the buyer's beside the one that asks."""
        return open_session(self.buyer, user_agent="another")

    @cached_property
    def session(self) -> str:
        """The id of that session."""
        assert self.tokens
        return str(self.buyer.sessions.get(user_agent="another").pk)

    @cached_property
    def open(self) -> Raffle:
        """On sale."""
        return self._on_sale()

    @cached_property
    def draft(self) -> Raffle:
        """Seen by its managers only."""
        return self._draft()

    @cached_property
    def cancelled(self) -> Raffle:
        """Its draw is void."""
        raffle = self._on_sale()
        raffle_services.cancel_raffle(raffle.pk, reason="A flood.")
        advance_draw(raffle.pk)
        return raffle

    @cached_property
    def closing(self) -> Raffle:
        """Over, its entries not fixed yet."""
        return closed(self._on_sale())

    @cached_property
    def drawn(self) -> Raffle:
        """Drawn by a round of the past, so that nobody waits for it."""
        raffle = self._on_sale()
        seated(self.buyer, raffle, 3)
        draw = committed(raffle)
        put_in_state(raffle, Draw.State.COMMITTED, round=draw.round - 20)
        assert advance_draw(raffle.pk).state == Draw.State.DRAWN
        return raffle

    @cached_property
    def entry(self) -> str:
        """The id of what the buyer has in the drawn raffle."""
        return str(Purchase.objects.get(raffle=self.drawn, buyer=self.buyer).pk)

    @cached_property
    def prize(self) -> str:
        """The id of a prize that the buyer won there and accepted, and for which documents are wanted."""
        award = Award.objects.filter(pick__draw=self.drawn.pk)[0]
        accept_prize(award, takes="cash" if award.prize.cash_alternative else "prize", address=None, actor=self.buyer)
        staff = self.cast["managers"]
        assert staff
        ask_for_documents(award.pk, wanted="A photo of your passport.", actor=staff)
        return str(award.prize_id)

    @cached_property
    def pending(self) -> str:
        """Held, not paid."""
        return str(buy(self.buyer, self.open).pk)

    @cached_property
    def payable(self) -> str:
        """Paid, which nobody here knows yet."""
        purchase = buy(self.buyer, self.open)
        pay(purchase.payment.client_secret).raise_for_status()
        return str(purchase.pk)

    @cached_property
    def change(self) -> EmailChange:
        """The buyer's wish for another address."""
        return EmailChange.objects.create(user=self.buyer, email="elsewhere@example.com")


def _raffles(world: World) -> list[str]:
    states = (world.open, world.draft, world.cancelled, world.closing, world.drawn)
    return [*(str(raffle.pk) for raffle in states), world.open.slug]


def _terms(world: World) -> dict[str, Any]:
    opens = timezone.now() + timedelta(minutes=5)
    return {
        "title": "A fine watch",
        "category": "watch",
        "ticket_price": 500,
        "currency": "gbp",
        "capacity": 100,
        "max_per_person": 50,
        "opens_at": opens.isoformat(),
        "closes_at": (opens + timedelta(days=1)).isoformat(),
        "conditions": "Adults only.",
        "free_route": {"instructions": "Write to us.", "until": (opens + timedelta(hours=12)).isoformat()},
        "delay_seconds": 60,
        "prizes": [{"name": "The watch", "retail_value": 5, "cash_alternative": 4}],
    }


def _registration(world: World) -> dict[str, Any]:
    return {
        "email": f"dana-{uuid4().hex}@example.com",
        "password": PASSWORD,
        "display_name": "Dana",
        "date_of_birth": "1990-05-17",
        "country": "GB",
    }


def _leaf(world: World) -> dict[str, Any]:
    sequence(world.drawn.pk)
    return {"leaf": bytes(LogLeaf.objects.filter(raffle=world.drawn.pk)[0].hash).hex()}


# By the name in the path, and the app: what there is.
IDS: dict[tuple[str, str], Callable[[World], list[str]]] = {
    ("auth", "id"): lambda world: [world.session],
    ("users", "raffle"): lambda world: [world.favourite],
    ("users", "prize"): lambda world: [world.prize],
    ("users", "id"): lambda world: [world.identity, world.notification],
    ("purchases", "id"): lambda world: [world.pending, world.entry],
    ("raffles", "id"): _raffles,
    ("verification", "raffle"): lambda world: [str(world.drawn.pk), *_raffles(world)],
    ("verification", "purchase"): lambda world: [world.entry],
}
# By operation: a body that it takes.
BODIES: dict[str, Callable[[World], dict[str, Any]]] = {
    "POST auth/register": _registration,
    "POST auth/verify": lambda world: {
        "token": verification_links.token_for(world.cast["unverified"]),
        "new_password": "a quite unmistakable phrase",
    },
    "POST users/notifications/read": lambda world: {"up_to": world.notification},
    "POST users/favourites": lambda world: {"raffle": world.open.slug, "remind_closing": True},
    "POST users/prizes/{prize}/claim": lambda world: {"takes": "prize", "address": EXAMPLES["claimPrize"]["address"]},
    "POST users/prizes/{prize}/documents": lambda world: EXAMPLES["sendClaimDocument"],
    "POST auth/verify/resend": lambda world: {"email": world.buyer.email},
    "POST auth/password/forgot": lambda world: {"email": world.buyer.email},
    "POST auth/password/reset": lambda world: {"token": reset_links.token_for(world.buyer), "password": PASSWORD * 2},
    "POST auth/email/confirm": lambda world: {"token": change_token(str(world.change.pk), "new")},
    "POST auth/login": lambda world: {"email": world.buyer.email, "password": PASSWORD, "mode": "bearer"},
    "POST auth/login/second": lambda world: {"challenge": challenge_for(world.buyer), "code": world.phone.code()},
    "POST auth/supabase": lambda world: {"access_token": world.supabase_token()},
    "POST auth/sessions/confirm": lambda world: {"password": PASSWORD},
    "POST auth/refresh": lambda world: {"refresh": world.tokens.refresh},
    "POST auth/logout": lambda world: {"refresh": world.tokens.refresh},
    "POST users/password": lambda world: {"current_password": PASSWORD, "new_password": PASSWORD * 2},
    "POST users/email": lambda world: {"email": "new@example.com", "password": PASSWORD},
    "PATCH users/profile": lambda world: {"display_name": "A. L.", "country": "FR"},
    "POST users/identities/{id}/unlink": lambda world: {"password": PASSWORD},
    "PATCH users/safeguards": lambda world: {"currency": "gbp", "limit": 5000},
    "POST users/safeguards/pause": lambda world: {"hours": 48},
    "POST users/safeguards/exclude": lambda world: {"months": 12, "password": PASSWORD},
    "POST users/terms": lambda world: {"version": world.terms.version},
    "POST users/delete": lambda world: {"password": PASSWORD},
    "POST users/totp": lambda world: {"password": PASSWORD},
    "POST users/totp/confirm": lambda world: {"code": world.offered.code()},
    "POST users/totp/recovery": lambda world: {"code": world.phone.code(), "password": PASSWORD},
    "POST users/totp/off": lambda world: {"code": world.phone.code(), "password": PASSWORD},
    "PATCH users/preferences": lambda world: {"time_zone": "Europe/Paris", "language": "en"},
    "POST raffles/create": _terms,
    "PATCH raffles/{id}": _terms,
    "POST raffles/{id}/cancel": lambda world: {"reason": "A flood."},
    "POST purchases/create": lambda world: {"raffle": str(world.open.pk), "quantity": 2},
    "POST purchases/verify": lambda world: {"purchase": world.payable},
}
# By operation: a question that has an answer, about the drawn raffle.
QUERIES: dict[str, Callable[[World], dict[str, Any]]] = {"GET verification/{raffle}/log/proof": _leaf}
# By operation: what has to be there before anybody asks.
NEEDED: dict[str, Callable[[World], object]] = {
    "GET auth/terms": lambda world: world.terms,
    "POST auth/login/second": lambda world: world.phone,
    "POST users/totp/recovery": lambda world: world.phone,
    "POST users/totp/off": lambda world: world.phone,
}
