"""The question of skill: who answers wrongly holds nothing, every answer is kept, and the right one is never shown."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from luxewin.api.problems import moment
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from purchases.models import Purchase, SkillAttempt
from purchases.tests.stage import at_once, counts

URL = "/api/v1/purchases/create"
QUESTION = {"question": "Which of these is a watch?", "choices": ["Submariner", "Carrera T"], "answer": "Submariner"}


@pytest.fixture
def ask(on_sale, alice, new_key):
    """Alice asks for two tickets of a raffle with a question."""
    raffle = on_sale(**QUESTION)
    client = client_of(alice)

    def send(headers=None, **more):
        body = {"raffle": str(raffle.pk), "quantity": 2} | more
        return client.post(URL, body, headers=headers or new_key())

    send.raffle = raffle
    return send


def attempts():
    return list(SkillAttempt.objects.order_by("id").values_list("user__email", "answer", "correct"))


@pytest.mark.parametrize(
    "answer", ["Submariner", "submariner", "  SUBMARINER ", "\u00a0submariner\t", "\uff33ubmariner"], ids=ascii
)
def test_the_right_answer_holds_however_it_is_written(answer, ask, alice):
    assert ask(answer=answer).status_code == 201
    assert counts(ask.raffle) == (2, 0)
    assert attempts() == [(alice.email, "submariner", True)]


def test_a_wrong_answer_holds_nothing_and_is_kept(ask, alice, run_tasks):
    problem = assert_problem(ask(answer="Carrera T"), 409, "wrong_answer")
    assert problem["question"] == QUESTION["question"]
    assert "submariner" not in str(problem).lower()
    assert (counts(ask.raffle), Purchase.objects.count()) == ((0, 0), 0)
    assert attempts() == [(alice.email, "carrera t", False)]


@pytest.mark.django_db(transaction=True)
def test_a_wrong_attempt_stands_although_the_request_was_refused(ask, alice):
    ask(answer="Carrera T")
    assert attempts() == [(alice.email, "carrera t", False)]


def test_who_was_wrong_may_answer_again_under_the_same_key(ask, new_key):
    headers = new_key()
    assert ask(headers, answer="Carrera T").status_code == 409
    assert ask(headers, answer="Submariner").status_code == 201
    assert [correct for _, _, correct in attempts()] == [False, True]


def test_after_five_wrong_answers_not_even_the_right_one_is_heard_until_a_day_after_the_first(ask, on_sale, bob):
    for _ in range(5):
        assert ask(answer="Carrera T").status_code == 409
    first = SkillAttempt.objects.earliest("pk")
    with nothing_written():
        response = ask(answer="Submariner")
    problem = assert_problem(response, 429, "too_many_answers")
    back = datetime.fromisoformat(problem["try_again_at"])
    assert back == first.at + timedelta(days=1)
    assert moment(back) in problem["detail"]
    assert abs(int(response["Retry-After"]) - timedelta(days=1).total_seconds()) < 600
    # Nobody else's attempts, nor those at another raffle, are counted.
    body = {"raffle": str(ask.raffle.pk), "quantity": 1, "answer": "Submariner"}
    assert client_of(bob).post(URL, body, headers={"Idempotency-Key": "b"}).status_code == 201
    SkillAttempt.objects.filter(pk=first.pk).update(at=timezone.now() - timedelta(days=1))
    assert ask(answer="Submariner").status_code == 201


def test_right_answers_are_not_counted(ask):
    for _ in range(6):
        assert ask(answer="Submariner", quantity=1).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_many_answers_at_once_are_no_more_than_five(ask, alice):
    clients = [client_of(alice) for _ in range(16)]
    body = {"raffle": str(ask.raffle.pk), "quantity": 1, "answer": "Carrera T"}
    answers = at_once(
        *[
            lambda client=client, number=number: client.post(URL, body, headers={"Idempotency-Key": f"{number}"})
            for number, client in enumerate(clients)
        ]
    )
    assert sorted(each.status_code for each in answers) == [409] * 5 + [429] * 11
    assert attempts() == [(alice.email, "carrera t", False)] * 5


def test_a_wrong_answer_that_grows_when_it_is_normalised_is_kept_as_far_as_it_fits(ask):
    assert ask(answer="\N{LATIN SMALL LETTER SHARP S}" * 200).status_code == 409
    assert SkillAttempt.objects.get().answer == "s" * 200


def test_without_an_answer_the_field_is_named_and_nothing_is_kept(ask):
    with nothing_written():
        problem = assert_problem(ask(), 400, "invalid", {"answer"})
    assert problem["errors"][0]["code"] == "required"
    assert QUESTION["question"] in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    "answer", [None, 5, ["Submariner"], {}, True, "", " ", "x" * 201, "a\x00b"], ids=lambda value: ascii(value)[:12]
)
def test_what_is_no_text_names_the_field(answer, ask):
    with nothing_written():
        response = ask(answer=answer)
        if answer == 5:  # a number is text enough, and wrong
            assert response.status_code == 409
            SkillAttempt.objects.all().delete()
        else:
            assert_problem(response, 400, "invalid", {"answer"})


def test_a_replay_of_the_same_request_is_no_further_attempt(ask, new_key):
    headers = new_key()
    first, again = (ask(headers, answer="Submariner").json() for _ in range(2))
    assert first["id"] == again["id"]
    assert len(attempts()) == 1


def test_a_right_answer_that_finds_no_ticket_holds_nothing(ask):
    assert assert_problem(ask(quantity=60, answer="Submariner"), 409, "limit_reached")
    assert counts(ask.raffle) == (0, 0)


def test_a_raffle_without_a_question_ignores_an_answer(on_sale, alice, new_key):
    body = {"raffle": str(on_sale().pk), "quantity": 1, "answer": "Whatever"}
    assert client_of(alice).post(URL, body, headers=new_key()).status_code == 201
    assert attempts() == []


def test_a_written_answer_is_compared_without_case_and_spaces(on_sale, alice, new_key):
    raffle = on_sale(question="Who wears No. 5?", answer="  Marilyn   MONROE ")
    body = {"raffle": str(raffle.pk), "quantity": 1, "answer": "marilyn monroe"}
    assert client_of(alice).post(URL, body, headers=new_key()).status_code == 201


@pytest.mark.parametrize(("who", "sees"), [("mona", True), ("sam", False), ("audrey", False)])
def test_the_back_office_shows_answers_to_those_who_know_the_right_one(who, sees, request, ask):
    ask(answer="Submariner")
    client = Client()
    client.force_login(request.getfixturevalue(who))
    attempt = SkillAttempt.objects.get()
    for page in ("", f"{attempt.pk}/change/"):
        text = client.get(f"/admin/purchases/skillattempt/{page}").content.decode()
        assert "alice@example.com" in text
        assert ("submariner" in text) is sees
