"""API6, unrestricted access to sensitive business flows: buying out, holding without paying, guessing, replaying.

Elsewhere: limits and the last ticket under concurrent requests (purchases/tests/test_races_of_holds.py,
test_holding.py), five wrong answers a day also when sent at once (purchases/tests/test_skill.py).

Out of reach here: one person with many accounts. Each needs a mailbox and stands in the audit; who is who is for the
operator's checks of identity.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.owasp.surface import ask
from purchases.models import Purchase, SkillAttempt
from purchases.tests.stage import bought, counts
from raffles.models import Raffle

CREATE, VERIFY = "/api/v1/purchases/create", "/api/v1/purchases/verify"


def _wants(raffle: Raffle, quantity: int = 1, **more: str) -> dict[str, object]:
    return {"raffle": str(raffle.pk), "quantity": quantity} | more


def _overdue(raffle: Raffle) -> None:
    Purchase.objects.filter(raffle=raffle).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_one_person_buys_no_more_than_the_limit_however_it_is_cut(alice, bob, on_sale):
    raffle, client = on_sale(capacity=20, max_per_person=5), client_of(alice)
    statuses = [ask(client, "post", CREATE, _wants(raffle)).status_code for _ in range(8)]
    assert statuses == [201] * 5 + [409] * 3
    assert counts(raffle) == (5, 0)
    # Signing in again is no new person.
    assert_problem(ask(client_of(alice), "post", CREATE, _wants(raffle)), 409, "limit_reached")
    assert ask(client_of(bob), "post", CREATE, _wants(raffle, 5)).status_code == 201


def test_what_was_bought_counts_on_after_it_was_paid(alice, on_sale):
    raffle = on_sale(capacity=20, max_per_person=3)
    bought(alice, raffle, 3)
    assert_problem(ask(client_of(alice), "post", CREATE, _wants(raffle)), 409, "limit_reached")


def test_holds_that_nobody_pays_keep_others_out_for_their_time_and_no_longer(people, bob, on_sale, run_tasks):
    """Denial of inventory takes as many verified accounts as capacity / limit, anew every HOLD_SECONDS."""
    raffle = on_sale(capacity=4, max_per_person=2)
    for holder in people(2):
        assert ask(client_of(holder), "post", CREATE, _wants(raffle, 2)).status_code == 201
    assert_problem(ask(client_of(bob), "post", CREATE, _wants(raffle)), 409, "sold_out")
    _overdue(raffle)
    run_tasks()
    assert counts(raffle) == (0, 0)
    assert ask(client_of(bob), "post", CREATE, _wants(raffle)).status_code == 201


def test_asking_about_a_hold_or_replaying_it_does_not_make_it_longer(alice, on_sale, run_tasks):
    raffle, client, key = on_sale(), client_of(alice), {"Idempotency-Key": "again"}
    first = ask(client, "post", CREATE, _wants(raffle), **key).json()
    for _ in range(3):
        assert ask(client, "post", CREATE, _wants(raffle), **key).json()["expires_at"] == first["expires_at"]
        answer = ask(client, "post", VERIFY, {"purchase": first["id"]})
        assert answer.json()["expires_at"] == first["expires_at"]
    _overdue(raffle)
    run_tasks()
    assert counts(raffle) == (0, 0)
    # And its key does not hold anew what ran out.
    ask(client, "post", CREATE, _wants(raffle), **key)
    assert counts(raffle) == (0, 0)


def test_another_s_idempotency_key_gives_nothing_of_theirs(alice, bob, on_sale):
    raffle, key = on_sale(), {"Idempotency-Key": "guessed"}
    hers = ask(client_of(alice), "post", CREATE, _wants(raffle, 2), **key).json()
    his = ask(client_of(bob), "post", CREATE, _wants(raffle, 2), **key).json()
    for secret in ("id", "client_secret", "entry_id"):
        assert his[secret] != hers[secret]
    assert counts(raffle) == (4, 0)
    # Nor does it say that she used it, whatever else he asks for under it.
    assert_problem(ask(client_of(bob), "post", CREATE, _wants(raffle, 1), **key), 422, "idempotency_key_reused")
    assert Purchase.objects.filter(buyer=alice).count() == 1


QUESTION = {"question": "Which of these is a watch?", "choices": ["Submariner", "Carrera T"], "answer": "Submariner"}


def test_a_question_is_not_found_out_by_trying(alice, on_sale):
    """Neither by many answers, nor by what a refusal says, nor under other keys and spellings."""
    raffle, client = on_sale(**QUESTION), client_of(alice)
    guesses = ["carrera t", "Daytona", "", "SUB", "submarine", "Submariner2", "none", "a watch"]
    answers = [ask(client, "post", CREATE, _wants(raffle, 1, answer=guess)) for guess in guesses]
    assert "submariner" not in "".join(answer.content.decode().lower() for answer in answers)
    assert SkillAttempt.objects.count() == 5
    assert_problem(ask(client, "post", CREATE, _wants(raffle, 1, answer="Submariner")), 429, "too_many_answers")
    assert counts(raffle) == (0, 0)


@pytest.mark.parametrize("change", [{"quantity": 1}, {"amount": 1}, {"currency": "idr"}, {"status": "paid"}])
def test_what_a_replay_says_of_the_price_changes_nothing(change, alice, on_sale):
    raffle, client, key = on_sale(ticket_price=500), client_of(alice), {"Idempotency-Key": "price"}
    first = ask(client, "post", CREATE, _wants(raffle, 2), **key).json()
    again = ask(client, "post", CREATE, _wants(raffle, 2) | change, **key)
    assert again.status_code == (422 if "quantity" in change else 400)
    found = Purchase.objects.get(pk=first["id"])
    assert (found.amount, found.currency, found.status) == (1000, "gbp", "pending")
