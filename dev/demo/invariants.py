"""Invariants of the books. Each yields what violates it, and nothing if it holds."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from dev.demo.cast import CLOSES_BY_TIME, SELLS_OUT, Conduct
from dev.demo.ledger import Ledger

STEPS = {"announce", "commit", "settle"}
SELLING = {"upcoming", "open"}

type Invariant = Callable[[Ledger], Iterator[str]]


def everyone_played_their_part(ledger: Ledger) -> Iterator[str]:
    """No answer on the way was unexpected."""
    yield from ledger.story.troubles


def money_taken_is_tickets_sold_times_price(ledger: Ledger) -> Iterator[str]:
    """Stripe's charges match the public counters, for each raffle and each currency."""
    expected: Counter[str] = Counter()
    for raffle in ledger.raffles.values():
        due = (raffle["tickets"]["sold"] - raffle["tickets"]["postal"]) * raffle["ticket_price"]
        expected[raffle["currency"]] += due
        if (taken := ledger.taken(raffle["id"])) != due:
            yield f"{raffle['title']}: Stripe took {taken}, {due} were due"
    # The total is from the intents, which also shows money that belongs to no raffle.
    received: Counter[str] = Counter()
    for intent in ledger.intents.values():
        received[intent["currency"]] += intent["amount_received"]
    if +received != +expected or not +received:
        yield f"in total Stripe received {dict(received)}, {dict(expected)} were due"


def no_number_twice(ledger: Ledger) -> Iterator[str]:
    """No two buyers have the same ticket number."""
    for raffle in ledger.raffles.values():
        for number, owners in Counter(ledger.numbers(raffle["id"])).items():
            if owners > 1:
                yield f"{raffle['title']}: {owners} people have number {number}"


def numbers_run_from_one_without_a_gap(ledger: Ledger) -> Iterator[str]:
    """The buyers' numbers, and in drawn raffles the entries file too, are 1 to the number of tickets sold."""
    for raffle in ledger.raffles.values():
        expected = list(range(1, raffle["tickets"]["sold"] + 1))
        if ledger.numbers(raffle["id"]) != expected:
            yield f"{raffle['title']}: the numbers are not 1 to {len(expected)}"
        if draw := ledger.draws.get(raffle["id"]):
            drawn = [number for _, first, count in draw.entries for number in range(first, first + count)]
            if drawn != expected:
                yield f"{raffle['title']}: the entries file's numbers are not 1 to {len(expected)}"


def nothing_is_oversold(ledger: Ledger) -> Iterator[str]:
    """No more tickets than there are, by the counters and by the buyers' numbers."""
    for raffle in ledger.raffles.values():
        tickets, numbers = raffle["tickets"], ledger.numbers(raffle["id"])
        if tickets["sold"] + tickets["held"] > tickets["capacity"] or len(numbers) > tickets["capacity"]:
            yield f"{raffle['title']}: {tickets}, {len(numbers)} numbers"


def closed_raffles_hold_nothing(ledger: Ledger) -> Iterator[str]:
    """No ticket is stuck in a checkout once the sale is over."""
    for raffle in ledger.raffles.values():
        if raffle["phase"] not in SELLING and raffle["tickets"]["held"]:
            yield f"{raffle['title']} is {raffle['phase']} and holds {raffle['tickets']['held']}"


def both_draws_were_held(ledger: Ledger) -> Iterator[str]:
    """The raffle that sold out and the one that closed by time are drawn; nothing else is."""
    expected = {ledger.story.raffles.get(name, name) for name in (SELLS_OUT, CLOSES_BY_TIME)}
    if set(ledger.draws) != expected:
        yield f"drawn are {sorted(ledger.draws)}, expected were {sorted(expected)}"
    raffle = ledger.raffles.get(ledger.story.raffles.get(SELLS_OUT, ""))
    if raffle and raffle["tickets"]["sold"] != raffle["tickets"]["capacity"]:
        yield f"{raffle['title']} is not sold out: {raffle['tickets']}"


def each_draw_verifies_from_its_bundle(ledger: Ledger) -> Iterator[str]:
    """`verification/verifier.py`, which shares no code with the draw, accepts it; the entries are the buyers'."""
    for raffle, draw in ledger.draws.items():
        if not draw.verified:
            yield f"{raffle}: {draw.verdict}"
        mine = {(each["entry_id"], each["tickets"]["first"], each["quantity"]) for _, each in ledger.paid(raffle)}
        if mine != set(draw.entries):
            yield f"{raffle}: the entries file is not what the buyers have"


def the_chain_picked_the_same(ledger: Ledger) -> Iterator[str]:
    """Every step was mined, and the contract's picks are the bundle's."""
    for raffle, draw in ledger.draws.items():
        if draw.bundle["settlement"] is None or draw.steps != dict.fromkeys(STEPS, True):
            yield f"{raffle}: mined are {draw.steps}, the settlement is {draw.bundle['settlement']}"
        if draw.on_chain != [pick["index"] for pick in draw.bundle["picks"]]:
            yield f"{raffle}: the contract picked {draw.on_chain}"


def every_buyer_was_mailed_their_numbers(ledger: Ledger) -> Iterator[str]:
    """Each purchase has one mail with its numbers."""
    for person, purchase in ledger.paid():
        first, last, count = (purchase["tickets"][name] for name in ("first", "last", "count"))
        words = f"numbers: {first}\n" if count == 1 else f"numbers: {first} to {last}\n"
        what = "ticket" if count == 1 else f"{count} tickets"
        if purchase["route"] == "postal":
            what = "free entry"
        if not ledger.was_mailed(person, f"Your {what} for {purchase['raffle']['title']}", words):
            yield f"{person.email} has no mail with {words}"


def every_winner_was_mailed_their_win(ledger: Ledger) -> Iterator[str]:
    """Only the owner of winning tickets has one mail per draw that names all their prizes and tickets."""
    winners = 0
    for raffle, draw in ledger.draws.items():
        entries = {each["entry_id"]: (person, each["raffle"]["title"]) for person, each in ledger.paid(raffle)}
        won: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for pick in draw.bundle["picks"]:
            if pick["role"] != "winner":
                continue
            if pick["entry_id"] in entries:
                won[entries[pick["entry_id"]][0].email].append(pick)
            else:
                yield f"{raffle}: nobody of the cast won with entry {pick['entry_id']}"
        winners += len(won)
        for picks in won.values():
            person, title = entries[picks[0]["entry_id"]]
            subject = f"{title}: you won {draw.prizes[picks[0]['prize']]}"
            words = [f"ticket {picks[0]['ticket']} was picked"]
            if len(picks) > 1:
                subject = f"{title}: you won {len(picks)} prizes"
                words = [f"{draw.prizes[pick['prize']]} (ticket {pick['ticket']})" for pick in picks]
            if not ledger.was_mailed(person, subject, *words):
                yield f"{raffle}: {person.email} has no mail {subject!r} with {words}"
    mailed = sum(": you won " in each["subject"] for each in ledger.mails)
    if mailed != winners:
        yield f"{mailed} mails say that somebody won, {winners} people did"


def a_double_click_made_one_purchase(ledger: Ledger) -> Iterator[str]:
    """Both answers are the same purchase, the buyer has no other, and Stripe took their money once."""
    for person in ledger.story.with_conduct(Conduct.DOUBLE_CLICKS):
        answered = {answer["id"] for answer in person.answers}
        own = {each["id"] for owner, each in ledger.purchases if owner is person}
        charged = [each for each in ledger.charges if ledger.purchase_of(each) in answered]
        if len(person.answers) != 2 or len(answered) != 1 or own != answered or len(charged) != 1:
            yield f"{person.email}: {len(person.answers)} answers, purchases {sorted(own)}, {len(charged)} charges"


def a_declined_card_was_retried(ledger: Ledger) -> Iterator[str]:
    """Stripe has a failed and a paid charge of one intent, and the tickets were issued."""
    for person in ledger.story.with_conduct(Conduct.IS_DECLINED):
        answered = {answer["id"] for answer in person.answers}
        outcomes = sorted(each["status"] for each in ledger.charges if ledger.purchase_of(each) in answered)
        given = [each["status"] for owner, each in ledger.purchases if owner is person]
        if person.decline != "card_declined" or outcomes != ["failed", "succeeded"] or given != ["paid"]:
            yield f"{person.email}: {person.decline or 'not declined'}, charges {outcomes}, purchases {given}"


def an_abandoned_hold_expired(ledger: Ledger) -> Iterator[str]:
    """The purchase expired without numbers, its intent can never be paid, and nothing was charged."""
    for person in ledger.story.with_conduct(Conduct.ABANDONS):
        own = [each for owner, each in ledger.purchases if owner is person]
        ids = {each["id"] for each in own}
        intents = [each["status"] for each in ledger.intents.values() if each["metadata"].get("purchase") in ids]
        charged = [each for each in ledger.charges if ledger.purchase_of(each) in ids]
        states = [(each["status"], each["tickets"]) for each in own]
        if states != [("expired", None)] or intents != ["canceled"] or charged:
            yield f"{person.email}: {states}, intents {intents}, {len(charged)} charges"


def asking_for_too_much_was_refused(ledger: Ledger) -> Iterator[str]:
    """It gave 409 with the smaller number that was left; later the same person got the tickets that came back."""
    for person in ledger.story.with_conduct(Conduct.ASKS_TOO_MUCH):
        refusal, wanted = person.refusal, person.part.quantity
        if refusal is None or (refusal.status, refusal.code) != (409, "not_enough_left"):
            yield f"{person.email} asked for {wanted}: {refusal or 'not refused'}"
        elif not 0 < refusal.problem["left"] < wanted:
            yield f"{person.email} was told that {refusal.problem['left']} are left"
        if [each["quantity"] for owner, each in ledger.paid() if owner is person] != [wanted]:
            yield f"{person.email} did not get the tickets that came back"


def webhook_and_verify_both_settled(ledger: Ledger) -> Iterator[str]:
    """Those who only waited have their tickets through the webhook, the others through `purchases/verify`."""
    for conduct in (Conduct.WAITS, Conduct.ASKS):
        people = ledger.story.with_conduct(conduct)
        settled = {person.email for person, _ in ledger.paid() if person in people}
        if not settled or len(settled) != len(people):
            yield f"{len(settled)} of {len(people)} have tickets: {conduct}"


def a_free_entry_is_in_the_draw_and_cost_nothing(ledger: Ledger) -> Iterator[str]:
    """It has numbers of the same pool, is in the entries file and the public count, and unknown to Stripe."""
    for person in ledger.story.with_conduct(Conduct.WRITES):
        own = [each for owner, each in ledger.purchases if owner is person]
        raffle = ledger.story.raffles[person.part.raffle]
        drawn = {entry for entry, _, _ in ledger.draws[raffle].entries} if raffle in ledger.draws else set()
        facts = [(each["route"], each["status"], each["quantity"], each["entry_id"] in drawn) for each in own]
        if facts != [("postal", "paid", person.part.quantity, True)]:
            yield f"{person.email}: {facts}"
        if any(each["metadata"].get("purchase") in {mine["id"] for mine in own} for each in ledger.intents.values()):
            yield f"{person.email} has a payment at Stripe"
        if (counted := ledger.raffles[raffle]["tickets"]["postal"]) != person.part.quantity:
            yield f"{counted} free tickets are counted, {person.part.quantity} were entered"


def a_wrong_answer_was_refused_and_held_nothing(ledger: Ledger) -> Iterator[str]:
    """It gave 409 with the question; the right answer then made the only purchase."""
    for person in ledger.story.with_conduct(Conduct.ANSWERS_WRONGLY):
        refusal = person.refusal
        if refusal is None or (refusal.status, refusal.code) != (409, "wrong_answer"):
            yield f"{person.email} answered wrongly: {refusal or 'not refused'}"
        own = [each["status"] for owner, each in ledger.purchases if owner is person]
        if own != ["paid"]:
            yield f"{person.email} has purchases {own}"


def a_dispute_was_won_and_its_tickets_stay(ledger: Ledger) -> Iterator[str]:
    """Stripe has one dispute, of this payment, and it is won; the buyer keeps their tickets."""
    disputing = {person.dispute: person for person in ledger.story.with_conduct(Conduct.DISPUTES)}
    found = {each["id"]: each["status"] for each in ledger.disputes}
    if found != dict.fromkeys(disputing, "won"):
        yield f"Stripe's disputes are {found}"
    for person in disputing.values():
        own = [(each["status"], each["quantity"]) for owner, each in ledger.purchases if owner is person]
        if own != [("paid", person.part.quantity)]:
            yield f"{person.email}: {own}"


INVARIANTS: tuple[Invariant, ...] = (
    everyone_played_their_part,
    money_taken_is_tickets_sold_times_price,
    no_number_twice,
    numbers_run_from_one_without_a_gap,
    nothing_is_oversold,
    closed_raffles_hold_nothing,
    both_draws_were_held,
    each_draw_verifies_from_its_bundle,
    the_chain_picked_the_same,
    every_buyer_was_mailed_their_numbers,
    every_winner_was_mailed_their_win,
    a_double_click_made_one_purchase,
    a_declined_card_was_retried,
    an_abandoned_hold_expired,
    asking_for_too_much_was_refused,
    webhook_and_verify_both_settled,
    a_free_entry_is_in_the_draw_and_cost_nothing,
    a_wrong_answer_was_refused_and_held_nothing,
    a_dispute_was_won_and_its_tickets_stay,
)


def examine(ledger: Ledger) -> dict[str, list[str]]:
    """Return what violates each invariant, by its name."""
    return {invariant.__name__: list(invariant(ledger)) for invariant in INVARIANTS}
