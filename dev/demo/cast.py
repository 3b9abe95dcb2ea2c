"""The raffles of the story, and who does what in it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SELLS_OUT, CLOSES_BY_TIME, STAYS_OPEN = "sells out", "closes by time", "stays open"
HOLD_SECONDS = 10  # how long the abandoned checkout keeps its tickets
SALE_SECONDS = 15  # least sale time of the raffle that closes by time
DELAY_SECONDS = 3  # from the commitment of the entries to the beacon's round

CONDITIONS = "Open to adults. Winners are told by e-mail, and show who they are before a prize is handed over."
FREE_ROUTE = {"instructions": "Send a letter with your name and e-mail address to: LuxeWin, 1 Example Street, London."}

# Terms as `raffles/create` takes them, except for the times, which depend on when the story is told.
RAFFLES: dict[str, dict[str, Any]] = {
    SELLS_OUT: {
        "title": "Omega Speedmaster Moonwatch",
        "description": "Sapphire sandwich, full set, unworn. Twenty tickets, and that is all.",
        "category": "watch",
        "ticket_price": 45_000,
        "currency": "gbp",
        "capacity": 20,
        "max_per_person": 6,
        "conditions": CONDITIONS,
        "prizes": [
            {"name": "Omega Speedmaster Professional, sapphire", "retail_value": 810_000, "cash_alternative": 700_000}
        ],
    },
    CLOSES_BY_TIME: {
        "title": "Harvest week in Burgundy",
        "description": "Three winners stay, pick and dine at three estates between Beaune and Gevrey.",
        "category": "travel",
        "ticket_price": 1_250,
        "currency": "eur",
        "capacity": 400,
        "max_per_person": 25,
        "conditions": CONDITIONS,
        "free_route": FREE_ROUTE,
        "prizes": [
            {"name": "Seven nights for two at Château de Gilly", "retail_value": 490_000},
            {"name": "A barrel of Gevrey-Chambertin, bottled for you", "retail_value": 310_000},
            {"name": "Dinner for four at Maison Lameloise", "retail_value": 140_000},
        ],
    },
    STAYS_OPEN: {
        "title": "Weekend with a Ferrari 296 GTB",
        "description": "Delivered to your door in Emilia-Romagna, with a hotel in Modena.",
        "category": "car",
        "ticket_price": 2_000,
        "currency": "usd",
        "capacity": 300,
        "max_per_person": 20,
        "conditions": CONDITIONS,
        "prizes": [{"name": "Three days with a Ferrari 296 GTB", "retail_value": 620_000}],
        "question": "Where are Ferraris built?",
        "choices": ["Sant'Agata", "Maranello", "Crewe"],
        "answer": "Maranello",
    },
}


class Conduct(StrEnum):
    """How a person behaves in the checkout."""

    WAITS = "pays and waits: the webhook alone settles"
    ASKS = "pays and asks purchases/verify at once"
    IS_DECLINED = "is declined, tries another card"
    DOUBLE_CLICKS = "clicks twice"
    ABANDONS = "leaves without paying"
    ASKS_TOO_MUCH = "asks for more than is left, comes back when tickets do"
    ANSWERS_WRONGLY = "does not know the answer at first, asks purchases/verify"
    DISPUTES = "pays, waits, and disputes the payment with their bank"
    WRITES = "enters free of charge, by a letter"


@dataclass(frozen=True)
class Part:
    """One person, what they want, and how they act. `raffle` is one of the story's, or a catalogue's slug."""

    name: str
    raffle: str
    quantity: int
    conduct: Conduct


_WAITS, _ASKS = Conduct.WAITS, Conduct.ASKS

# Of the twenty tickets, fifteen are bought, three are abandoned, two are left; then somebody asks for five.
CAST = (
    Part("Ada Lovelace", CLOSES_BY_TIME, 10, _WAITS),
    Part("Blaise Pascal", CLOSES_BY_TIME, 5, _ASKS),
    Part("Cécile Chaminade", CLOSES_BY_TIME, 25, _WAITS),
    Part("David Hume", CLOSES_BY_TIME, 1, _ASKS),
    Part("Émilie du Châtelet", CLOSES_BY_TIME, 12, _WAITS),
    Part("Fibonacci", CLOSES_BY_TIME, 21, _ASKS),
    Part("Grace Hopper", CLOSES_BY_TIME, 2, _WAITS),
    Part("Hypatia", CLOSES_BY_TIME, 7, _ASKS),
    Part("Isaac Newton", CLOSES_BY_TIME, 3, _WAITS),
    Part("Johanna Dohnal", SELLS_OUT, 4, _WAITS),
    Part("Kurt Gödel", SELLS_OUT, 3, _ASKS),
    Part("Lise Meitner", SELLS_OUT, 2, _WAITS),
    Part("Mary Somerville", SELLS_OUT, 1, _ASKS),
    Part("Niels Abel", SELLS_OUT, 2, Conduct.IS_DECLINED),
    Part("Olympe de Gouges", SELLS_OUT, 3, Conduct.DOUBLE_CLICKS),
    Part("Pafnuty Chebyshev", STAYS_OPEN, 6, _WAITS),
    Part("Qiu Jin", STAYS_OPEN, 2, Conduct.ANSWERS_WRONGLY),
    Part("Rosalind Franklin", STAYS_OPEN, 20, _WAITS),
    Part("Sofia Kovalevskaya", STAYS_OPEN, 4, _ASKS),
    Part("Thomas Bayes", STAYS_OPEN, 9, Conduct.DISPUTES),
    Part("Ulugh Beg", "rolex-daytona-panda", 5, _ASKS),
    Part("Vera Rubin", "hermes-birkin-30-togo", 3, _WAITS),
    Part("Wisława Szymborska", "porsche-911-carrera-t", 8, _ASKS),
    Part("Xu Guangqi", SELLS_OUT, 3, Conduct.ABANDONS),
    Part("Yvonne Choquet-Bruhat", SELLS_OUT, 5, Conduct.ASKS_TOO_MUCH),
    Part("Zhang Heng", CLOSES_BY_TIME, 2, Conduct.WRITES),
)
