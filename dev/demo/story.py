"""The story, scene after scene, with each scene's seconds."""

import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from dev import services
from dev.demo.cast import CAST, CLOSES_BY_TIME, RAFFLES, SALE_SECONDS, SELLS_OUT, STAYS_OPEN, Conduct
from dev.demo.office import BackOffice
from dev.demo.parties import Mailbox, Till
from dev.demo.people import Person
from dev.demo.shop import LateError, Refused, Shop, wait_until
from dev.stack import STAFF_EMAIL, Stack

THREADS = 8
LONG_SALE = timedelta(days=3)
OPENING_SECONDS, EXPIRY_SECONDS, DISPUTE_SECONDS, DRAW_SECONDS, MAIL_SECONDS = 90, 90, 90, 180, 90
OF_TICKETS = re.compile("Your (ticket|[0-9]+ tickets|free entry) for ")
OF_RESULTS = re.compile(": you (won|are) |^The draw of ")
TROUBLES = (Refused, LateError, httpx.HTTPError, services.ServiceError)


class Story:
    """A story told once, on a fresh stack. `troubles` has what failed on the way; the books show the rest."""

    def __init__(self, stack: Stack, http: httpx.Client, say: Callable[[str], None]) -> None:
        self.stack, self.http, self.say = stack, http, say
        #: The addresses of all parties, embedded or not.
        self.environment = {**os.environ, **stack.environment}
        self.till, self.mailbox = Till(http, self.environment), Mailbox(http, self.environment)
        self.staff = Shop(http, stack.url, address="203.0.113.1")
        self.visitor = Shop(http, stack.url, address="203.0.113.2")
        arguments = (http, stack.url, self.till, self.mailbox)
        self.people = [Person(part, number, *arguments) for number, part in enumerate(CAST, start=1)]
        #: Ids of the story's raffles by their names in the cast.
        self.raffles: dict[str, str] = {}
        self.troubles: list[str] = []
        self.seconds: dict[str, float] = {}

    def tell(self) -> None:
        """Play the scenes up to the first that fails; a failure of one person stops nobody else."""
        scenes = {
            "opening": self._open_the_shop,
            "registration": self._everyone_joins,
            "scarce raffle": self._the_scarce_raffle_sells,
            "other raffles": self._the_others_sell,
            "dispute": self._a_payment_is_disputed,
            "catalogue": self._the_catalogue_is_published,
            "hold expires": self._abandoned_tickets_are_sold,
            "draws": self._draws_are_held,
            "mail": self._mail_arrives,
        }
        for name, scene in scenes.items():
            started = time.monotonic()
            try:
                scene()
            except TROUBLES as error:
                self._note(error)
                return
            finally:
                self.seconds[name] = time.monotonic() - started

    def with_conduct(self, conduct: Conduct) -> list[Person]:
        """List the people who behave like this."""
        return [person for person in self.people if person.part.conduct is conduct]

    def _open_the_shop(self) -> None:
        self.staff.log_in(STAFF_EMAIL, self.stack.password)
        for name in (SELLS_OUT, STAYS_OPEN):
            self._publish(name, LONG_SALE)
        self.say("a raffle manager wrote and published the first two raffles")

    def _publish(self, name: str, sale: timedelta) -> None:
        now = datetime.now(UTC)
        times = {"opens_at": now.isoformat(), "closes_at": (now + sale).isoformat()}
        made = self.staff.post("raffles/create", RAFFLES[name] | times)
        self.staff.post(f"raffles/{made['id']}/publish")
        self.raffles[name] = made["id"]

    def _await_the_sale(self, name: str) -> None:
        """Return once the rules of the raffle's draw are recorded on the chain: tickets are sold only after that."""
        raffle = f"raffles/{self.raffles[name]}"

        def look() -> bool:
            return self.visitor.get(raffle)["phase"] != "upcoming"

        wait_until(f"the sale of “{name}”", look, seconds=OPENING_SECONDS, every=0.5)

    def _everyone_joins(self) -> None:
        self._together([person.join for person in self.people])
        self.say(f"{len(self.people)} people registered, opened the link in their mail and logged in")

    def _the_scarce_raffle_sells(self) -> None:
        leaving, late = self.with_conduct(Conduct.ABANDONS), self.with_conduct(Conduct.ASKS_TOO_MUCH)
        wanting = [person for person in self.people if person.part.raffle == SELLS_OUT]
        self._shop([person for person in wanting if person not in (*leaving, *late)])
        self.say("fifteen of twenty tickets are sold; one card was declined first, one click was double")
        for group in (leaving, late):
            self._shop(group)
        for person in late:
            self.say(f"{person.part.name} wanted {person.part.quantity}: {person.refusal or 'and got them'}")

    def _the_others_sell(self) -> None:
        # A machine that was slow to register everyone gets a longer sale.
        sale = max(SALE_SECONDS, round(self.seconds["registration"] / 2))
        self._publish(CLOSES_BY_TIME, timedelta(seconds=sale))
        self.say(f"“{RAFFLES[CLOSES_BY_TIME]['title']}” is on sale for {sale} s")
        self._await_the_sale(CLOSES_BY_TIME)
        writing, guessing = self.with_conduct(Conduct.WRITES), self.with_conduct(Conduct.ANSWERS_WRONGLY)
        self._letters_are_entered(writing)
        wanting = [person for person in self.people if person.part.raffle in {CLOSES_BY_TIME, STAYS_OPEN}]
        buyers = [person for person in wanting if person not in writing]
        self._shop(buyers)
        self.say(f"{len(buyers)} people bought there and in the raffle that stays open and asks a question")
        for person in guessing:
            self.say(f"{person.part.name} answered it wrongly first: {person.refusal or 'and was not refused'}")

    def _letters_are_entered(self, writing: list[Person]) -> None:
        with self._back_office() as office:
            for person in writing:
                raffle, quantity = self.raffles[person.part.raffle], person.part.quantity
                numbers = office.enter_letter(raffle, person.email, quantity, f"letter of {person.part.name}")
                self.say(f"staff entered the letter of {person.part.name}: ticket numbers {numbers}")

    def _back_office(self) -> BackOffice:
        office = BackOffice(self.stack.url, address=self.staff.address)
        office.log_in(STAFF_EMAIL, self.stack.password)
        return office

    def _a_payment_is_disputed(self) -> None:
        with self._back_office() as office:
            for person in self.with_conduct(Conduct.DISPUTES):
                person.has_it_disputed()
                self._finance_sees(office, person, "needs_response")
                self.till.win(person.dispute)
                self._finance_sees(office, person, "won")
                self.say(f"the bank of {person.part.name} disputed the payment; finance saw it, and won")

    @staticmethod
    def _finance_sees(office: BackOffice, person: Person, status: str) -> None:
        look = partial(office.has_dispute, person.dispute, status)
        wait_until(f"the dispute of {person.part.name} to be {status}", look, seconds=DISPUTE_SECONDS)

    def _the_catalogue_is_published(self) -> None:
        loading = self.stack.supervisor.spawn("catalogue", [sys.executable, "manage.py", "load_catalogue", "--publish"])
        if code := loading.wait():
            raise services.ServiceError(f"load_catalogue ended with {code}; see {loading.log}")
        known = list(self.visitor.pages("raffles/list"))
        self.raffles = {raffle["slug"]: raffle["id"] for raffle in known} | self.raffles
        buyers = [person for person in self.people if person.part.raffle not in RAFFLES]
        self._shop(buyers)
        self.say(f"the shipped catalogue is on sale, {len(known)} raffles in all; {len(buyers)} people bought from it")

    def _shop(self, people: list[Person]) -> None:
        for name in {person.part.raffle for person in people}:
            self._await_the_sale(name)
        self._together([partial(person.shops, self.raffles[person.part.raffle]) for person in people])

    def _abandoned_tickets_are_sold(self) -> None:
        for person in self.with_conduct(Conduct.ABANDONS):
            wait_until(f"the hold of {person.part.name} to expire", person.has_lost_the_hold, seconds=EXPIRY_SECONDS)
            self.say(f"the hold of {person.part.name} expired, {person.part.quantity} tickets came back")
        for person in self.with_conduct(Conduct.ASKS_TOO_MUCH):
            person.comes_back(self.raffles[person.part.raffle])
            self.say(f"{person.part.name} came back and bought {person.part.quantity}: sold out")

    def _draws_are_held(self) -> None:
        waiting = {SELLS_OUT, CLOSES_BY_TIME}

        def look() -> bool:
            for name in sorted(waiting):
                draw = self.visitor.get(f"verification/{self.raffles[name]}")
                if draw["state"] == "settled":
                    waiting.discard(name)
                    picked = ", ".join(str(pick["ticket"]) for pick in draw["picks"])
                    self.say(f"“{draw['raffle']['title']}” is drawn and settled on the chain: {picked}")
            return not waiting

        wait_until("the two draws to be settled", look, seconds=DRAW_SECONDS, every=0.3)

    def _mail_arrives(self) -> None:
        # One mail of tickets for each purchase, one of the result for each person in each draw.
        drawn = {self.raffles[SELLS_OUT], self.raffles[CLOSES_BY_TIME]}
        paid = [each for person in self.people for each in person.purchases() if each["status"] == "paid"]
        results = sum(purchase["raffle"]["id"] in drawn for purchase in paid)

        def look() -> bool:
            subjects = [message["subject"] for message in self.mailbox.messages()]
            tickets = sum(bool(OF_TICKETS.match(subject)) for subject in subjects)
            told = sum(bool(OF_RESULTS.search(subject)) for subject in subjects)
            return tickets >= len(paid) and told >= results

        wait_until("the mails about tickets and results", look, seconds=MAIL_SECONDS)
        self.say(f"{len(self.mailbox.messages())} mails arrived")

    def _together(self, acts: list[Callable[[], Any]]) -> None:
        """Run all acts, THREADS at a time; note each that fails in `troubles`."""
        pool = ThreadPoolExecutor(THREADS)
        try:
            played = [pool.submit(act) for act in acts]
            wait(played)
        finally:
            # On Ctrl-C do not wait for the rest: they end with the server that they talk to.
            pool.shutdown(wait=False, cancel_futures=True)
        for each in played:
            error = each.exception()
            if isinstance(error, TROUBLES):
                self._note(error)
            elif error:
                raise error

    def _note(self, error: BaseException) -> None:
        self.troubles.append(f"{error}" or type(error).__name__)
        self.say(f"TROUBLE: {self.troubles[-1]}")
