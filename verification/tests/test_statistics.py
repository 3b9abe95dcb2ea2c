"""Many simulated draws: every ticket, order and pair is picked as often as chance has it, and a biased way is caught.

Each test is a chi-square test at a fixed significance, 0.001 on either side: too uneven is biased, too even is dealt
out in turn. The draws follow from the names and numbers written here, so a test gives the same answer every time.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise, permutations
from uuid import UUID

import pytest

from verification.merkle import Entry, Tree
from verification.picks import pick_indices, seed

SIGNIFICANCE = 0.001
# Chi-square that is exceeded with a chance of 0.001, and of 0.999, by degrees of freedom: the table of the
# NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.4.
NIST_UPPER = {1: 10.828, 2: 13.816, 9: 27.877, 10: 29.588, 50: 86.661, 99: 148.230, 100: 149.449}
NIST_LOWER = {9: 1.152, 10: 1.479, 50: 24.674, 99: 61.137, 100: 61.918}

type Picker = Callable[[bytes, int, int], list[int]]


def exceeded(statistic: float, freedom: int) -> float:
    """The chance that a chi-square of so many degrees of freedom is larger: the upper incomplete gamma function, by
    its recurrence Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1), from Q(1/2, x) or Q(1, x) on."""
    if statistic == 0:
        return 1.0
    x = statistic / 2
    chance, a = (math.erfc(math.sqrt(x)), 0.5) if freedom % 2 else (math.exp(-x), 1.0)
    while a < freedom / 2:
        chance += math.exp(a * math.log(x) - x - math.lgamma(a + 1))
        a += 1
    return chance


def agrees(counted: Mapping[Hashable, int], chances: Mapping[Hashable, float]) -> bool:
    """Whether the counts are as chances have it; what has no chance must not have happened."""
    if counted.keys() - chances.keys():
        return False
    total = sum(counted.values())
    assert min(chances.values()) * total >= 5, "too few draws for a chi-square test"
    statistic = sum((counted.get(each, 0) - total * p) ** 2 / (total * p) for each, p in chances.items())
    freedom = len(chances) - 1
    # A few tickets come out even to the last one every now and then; many do not.
    too_even = 1 - SIGNIFICANCE if freedom > 8 else 1
    return SIGNIFICANCE < exceeded(statistic, freedom) <= too_even


def evenly(outcomes: Iterable[Hashable]) -> dict[Hashable, float]:
    each = list(outcomes)
    return dict.fromkeys(each, 1 / len(each))


def seeds(name: str, draws: int, tickets: int) -> Iterator[bytes]:
    """The seeds of so many draws of one raffle, one a round of a beacon whose randomness follows from the name."""
    fixed = sha256(name.encode()).digest()
    for number in range(1, draws + 1):
        randomness = sha256(f"{name}, round {number}".encode()).digest()
        yield seed(
            chain_hash=fixed,
            round=number,
            randomness=randomness,
            manifest_hash=fixed,
            commitment=fixed,
            tickets=tickets,
        )


def drawn(name: str, draws: int, tickets: int, wanted: int, picker: Picker = pick_indices) -> Iterator[list[int]]:
    return (picker(each, tickets, wanted) for each in seeds(name, draws, tickets))


def digest_of(bits: int) -> Picker:
    """What a careless hand would write: the first bits of a digest modulo N, nothing rejected but doubles."""

    def pick(seed: bytes, tickets: int, wanted: int) -> list[int]:
        picked: dict[int, None] = {}
        for number in range(1_000):
            digest = int.from_bytes(sha256(seed + number.to_bytes(8)).digest()) >> (256 - bits)
            picked.setdefault(digest % tickets)
            if len(picked) == wanted:
                break
        return list(picked)

    return pick


def next_one(seed: bytes, tickets: int, wanted: int) -> list[int]:
    """Whose double is taken is replaced by the next ticket."""
    picked: dict[int, None] = {}
    for number in range(wanted):
        index = int.from_bytes(sha256(seed + number.to_bytes(8)).digest()) % tickets
        while index in picked:
            index = (index + 1) % tickets
        picked[index] = None
    return list(picked)


def in_turn() -> Picker:
    """Deals out one ticket after another: nobody is preferred, and nothing left to chance."""
    turns = iter(range(10**9))
    return lambda seed, tickets, wanted: [next(turns) % tickets]


@pytest.mark.parametrize("freedom", NIST_UPPER)
def test_the_chances_are_those_of_the_published_table(freedom: int) -> None:
    assert exceeded(NIST_UPPER[freedom], freedom) == pytest.approx(0.001, rel=0.001)


@pytest.mark.parametrize("freedom", NIST_LOWER)
def test_the_chances_of_too_even_counts_are_those_of_the_published_table(freedom: int) -> None:
    assert 1 - exceeded(NIST_LOWER[freedom], freedom) == pytest.approx(0.001, rel=0.002)


# The first pick

DRAWS_A_TICKET = 200
JUST_ABOVE_A_POWER = [3, 5, 9, 17, 33, 65, 129, 257]


def first_picks(tickets: int, each: int, picker: Picker = pick_indices) -> Counter[Hashable]:
    return Counter(picks[0] for picks in drawn(f"first of {tickets}", each * tickets, tickets, 1, picker))


@pytest.mark.parametrize("tickets", [*JUST_ABOVE_A_POWER, 2, 10, 100, 256])
def test_every_ticket_is_picked_first_equally_often(tickets: int) -> None:
    assert agrees(first_picks(tickets, DRAWS_A_TICKET), evenly(range(tickets)))


def test_every_one_of_many_tickets_is_picked_first_equally_often() -> None:
    assert agrees(first_picks(2**13 + 1, 8), evenly(range(2**13 + 1)))


SHORT = {
    "8 bits, 129 tickets": (8, 129, 300),
    "8 bits, 257 tickets": (8, 257, 200),
    "10 bits, 700 tickets": (10, 700, 20),
    "14 bits, 10,000 tickets": (14, 10_000, 5),
}


@pytest.mark.parametrize(("bits", "tickets", "each"), SHORT.values(), ids=SHORT)
def test_a_short_digest_without_rejection_is_caught(bits: int, tickets: int, each: int) -> None:
    assert not agrees(first_picks(tickets, each, digest_of(bits)), evenly(range(tickets)))
    assert agrees(first_picks(tickets, each), evenly(range(tickets)))


def test_tickets_dealt_out_in_turn_are_caught() -> None:
    assert not agrees(first_picks(129, DRAWS_A_TICKET, in_turn()), evenly(range(129)))


# Later picks, and picks together


@pytest.mark.parametrize("tickets", [5, 16, 17, 33])
def test_every_ticket_is_picked_equally_often_at_every_position(tickets: int) -> None:
    picks = list(drawn(f"positions of {tickets}", 300 * tickets, tickets, 5))
    for position in range(5):
        assert agrees(Counter(each[position] for each in picks), evenly(range(tickets))), position


PAIRS_OF = 17


def pairs(picker: Picker, first: int, second: int) -> Counter[Hashable]:
    picks = drawn("pairs", 100 * PAIRS_OF * (PAIRS_OF - 1), PAIRS_OF, second + 1, picker)
    return Counter((each[first], each[second]) for each in picks)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (0, 3)])
def test_every_pair_of_tickets_is_picked_equally_often(first: int, second: int) -> None:
    assert agrees(pairs(pick_indices, first, second), evenly(permutations(range(PAIRS_OF), 2)))


def test_a_double_that_falls_to_the_next_ticket_is_caught() -> None:
    assert not agrees(pairs(next_one, 0, 1), evenly(permutations(range(PAIRS_OF), 2)))


def test_every_order_of_all_tickets_is_equally_likely() -> None:
    orders = Counter(tuple(picks) for picks in drawn("orders", 120 * 200, 5, 5))
    assert agrees(orders, evenly(permutations(range(5))))


def test_a_draw_says_nothing_about_the_next() -> None:
    winners = [picks[0] for picks in drawn("one after another", 30_000, 17, 1)]
    assert agrees(Counter(pairwise(winners)), evenly((one, next_) for one in range(17) for next_ in range(17)))


# Entries of different sizes, with the gaps that refunds leave

SIZES = [1, 2, 1, 10, 3, 7, 1, 25, 5, 10]
ENTRIES = [Entry(UUID(int=place + 1), 1 + 40 * place, size, place.to_bytes(32)) for place, size in enumerate(SIZES)]
TREE = Tree(entry.record for entry in ENTRIES)
SHARES = {place: size / sum(SIZES) for place, size in enumerate(SIZES)}
DRAWS = 40_000


def test_an_entry_s_chance_is_its_share_of_the_tickets() -> None:
    assert sum(SIZES) == TREE.tickets == 65  # just above a power of two
    winners = Counter(TREE.locate(picks[0]) for picks in drawn("entries", DRAWS, TREE.tickets, 1))
    assert agrees(winners, SHARES)


def test_every_ticket_number_in_an_entry_has_the_same_chance() -> None:
    numbers: Counter[Hashable] = Counter()
    for (index,) in drawn("ticket numbers", DRAWS, TREE.tickets, 1):
        place = TREE.locate(index)
        numbers[ENTRIES[place].first_ticket + index - TREE.tickets_before(place)] += 1
    assert agrees(numbers, evenly(entry.first_ticket + offset for entry in ENTRIES for offset in range(entry.count)))


def test_entries_picked_whatever_their_size_are_caught() -> None:
    winners = Counter(picks[0] for picks in drawn("whatever their size", DRAWS, len(ENTRIES), 1))
    assert agrees(winners, evenly(range(len(ENTRIES))))
    assert not agrees(winners, SHARES)


def test_a_gap_that_could_win_is_caught() -> None:
    """Ticket numbers drawn from all ever given, refunded ones too."""
    last = ENTRIES[-1].first_ticket + ENTRIES[-1].count - 1
    numbers = Counter(picks[0] + 1 for picks in drawn("with gaps", DRAWS, last, 1))
    assert not agrees(
        numbers, evenly(entry.first_ticket + offset for entry in ENTRIES for offset in range(entry.count))
    )
