"""The question of skill: what it must be, who sees the right answer, and that it is fixed once published."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.test import Client

from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from raffles import services
from raffles.errors import TermsFixed
from raffles.models import Raffle
from raffles.questions import normalised
from verification.models import Draw

CREATE = "/api/v1/raffles/create"
QUESTION = {"question": "Which is a watch?", "choices": ["Carrera T", "Grand Seiko"], "answer": " grand  SEIKO "}


@pytest.fixture
def body(terms):
    """What `raffles/create` takes."""

    def make(**changes):
        values = terms(delay_seconds=60, **changes)
        return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}

    return make


def test_anyone_sees_question_and_choices_and_nobody_the_answer(mona, body):
    manager = client_of(mona)
    made = manager.post(CREATE, body(**QUESTION)).json()
    raffle = Raffle.objects.get()
    assert raffle.answer == "grand seiko"
    manager.post(f"/api/v1/raffles/{raffle.pk}/publish")
    shown = client_of().get(f"/api/v1/raffles/{raffle.pk}")
    listed = client_of().get("/api/v1/raffles/list").json()["results"][0]
    for seen in (made, shown.json(), listed, manager.get(f"/api/v1/raffles/{raffle.pk}").json()):
        assert (seen["question"], seen["choices"]) == (QUESTION["question"], QUESTION["choices"])
        assert "answer" not in seen
        assert "grand seiko" not in json.dumps(seen)


def test_a_raffle_without_a_question_says_so(on_sale):
    shown = client_of().get(f"/api/v1/raffles/{on_sale().pk}").json()
    assert (shown["question"], shown["choices"]) == ("", [])


def test_the_document_of_the_api_has_the_answer_in_requests_alone(db):
    schemas = Client().get("/api/v1/schema?format=json").json()["components"]["schemas"]
    with_answer = {name for name, schema in schemas.items() if "answer" in schema.get("properties", {})}
    assert {name for name in with_answer if "Raffle" in name} == {"RaffleWriteRequest", "PatchedRaffleWriteRequest"}


FAULTS = {
    "an answer without a question": ({"question": ""}, {"question"}),
    "choices without a question": ({"question": " ", "answer": ""}, {"question"}),
    "a question without an answer": ({"answer": ""}, {"answer"}),
    "an answer of blanks": ({"answer": "  "}, {"answer"}),
    "an answer that is no choice": ({"answer": "Submariner"}, {"answer"}),
    "one choice": ({"choices": ["Grand Seiko"]}, {"choices"}),
    "eleven choices": ({"choices": [*map(str, range(10)), "Grand Seiko"]}, {"choices"}),
    "two choices alike": ({"choices": ["Grand Seiko", "GRAND  seiko", "B"]}, {"choices"}),
    "a blank choice": ({"choices": ["Grand Seiko", " "]}, {"choices.1"}),
    "a choice that is no text": ({"choices": ["Grand Seiko", {}]}, {"choices.1"}),
    "choices that are no list": ({"choices": "Grand Seiko"}, {"choices"}),
    "a question too long": ({"question": "?" * 301}, {"question"}),
    "an answer too long": ({"answer": "x" * 201, "choices": []}, {"answer"}),
    "an answer too long once compared": ({"answer": "\ufdfa" * 200, "choices": []}, {"answer"}),
    "a NUL": ({"answer": "a\x00", "choices": []}, {"answer"}),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_of_a_question_is_named(kind, mona, body):
    change, fields = FAULTS[kind]
    client = client_of(mona)
    with nothing_written():
        response = client.post(CREATE, body(**QUESTION | change))
    assert_problem(response, 400, "invalid", fields)


def test_a_change_is_checked_together_with_what_stays(mona, draft):
    raffle, client = draft(**QUESTION), client_of(mona)
    path = f"/api/v1/raffles/{raffle.pk}"
    assert_problem(client.patch(path, {"question": ""}), 400, "invalid", {"question"})
    assert_problem(client.patch(path, {"choices": ["A", "B"]}), 400, "invalid", {"answer"})
    assert client.patch(path, {"answer": "Carrera T"}).status_code == 200
    assert client.patch(path, {"choices": []}).json()["choices"] == []
    assert client.patch(path, {"question": "", "answer": ""}).json()["question"] == ""
    raffle.refresh_from_db()
    assert raffle.answer == ""


def test_what_cannot_be_asked_is_not_published(draft):
    raffle = draft()
    Raffle.objects.filter(pk=raffle.pk).update(question="Which?", choices=["A", "B"], answer="c")
    with pytest.raises(InvalidInput) as refusal:
        services.publish_raffle(raffle.pk)
    assert [fault["code"] for fault in refusal.value.data["errors"]] == ["not_a_choice"]


def test_the_audit_tells_that_the_answer_changed_and_not_to_what(mona, draft):
    raffle = draft(**QUESTION)
    services.update_raffle(raffle.pk, actor=mona, answer="Carrera T", question="Which is a car?")
    entry = AuditEntry.objects.get(action="raffle.updated")
    assert entry.before == {"answer": "(hidden)", "question": "Which is a watch?"}
    assert entry.after == {"answer": "(hidden)", "question": "Which is a car?"}
    rows = json.dumps(list(AuditEntry.objects.values_list("before", "after"))).lower()
    assert "seiko" not in rows
    assert "carrera" not in rows


@pytest.mark.parametrize(
    "change", [{"question": "Another?"}, {"choices": ["A", "B"]}, {"answer": "carrera t"}], ids=list
)
def test_a_published_question_is_fixed_in_code_and_in_the_database(change, on_sale):
    raffle = on_sale(**QUESTION)
    with pytest.raises(TermsFixed):
        services.update_raffle(raffle.pk, **change)
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        Raffle.objects.filter(pk=raffle.pk).update(**change)


def test_the_promise_of_the_draw_does_not_mention_it(on_sale):
    on_sale(**QUESTION)
    assert "question" not in Draw.objects.get().manifest


@pytest.mark.parametrize(
    ("one", "other"),
    [("Grand Seiko", " grand\u00a0 SEIKO\t"), ("Straße", "STRASSE"), ("Cafe\u0301", "Café"), ("\uff11\uff12", "12")],
    ids=["case and spaces", "sharp s", "accents", "wide digits"],
)
def test_answers_that_read_alike_are_alike(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        *(("Rock \u2019n\u2019 roll", "rock 'n' roll"), ("Rock \u00b4n` roll", "rock 'n' roll")),
        *((f"Rolls{dash}Royce", "Rolls-Royce") for dash in "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"),
        *(("Rolls - Royce", "Rolls-Royce"), ("1914 \u2013 1918", "1914-1918"), ("\u22125", "-5")),
        *(("Wait\u2026 what", "Wait... what"), ("Rome.", "Rome"), ("Rome\u2026", "Rome"), ("Rome. ", "Rome")),
        *((f"Ro{unseen}me", "Rome") for unseen in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\ufe0f"),
        *(("\u201cRome\u201d", "Rome"), ("\u201eRome\u201c", "Rome"), ("Rome\u200b", " rome")),
        *(("say \u201chi\u201d twice", 'say "hi" twice'), ("caf\u00e9", "cafe\u0301")),
    ],
)
def test_an_answer_counts_however_a_phone_writes_it(typed, right):
    assert normalised(typed) == normalised(right)
    assert normalised(normalised(typed)) == normalised(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5", "-5"),
        ("5", "5!"),
        ("1.5", "15"),
        ("caf\u00e9", "cafe"),
        ("C", "C#"),
        ("2", "1/2"),
        ("...", ""),
        ("a", "a'"),
    ],
)
def test_answers_that_differ_in_more_than_their_typing_stay_different(one, other):
    assert normalised(one) != normalised(other)


def _load(path):
    call_command("load_catalogue", str(path), stdout=StringIO())


ROW = "watch,A watch,watch,500,gbp,100,10,PT0S,P1D,The watch"
HEAD = "slug,title,category,ticket_price,currency,capacity,max_per_person,opens_in,closes_in,prizes"


def test_a_catalogue_carries_questions_as_csv_and_as_json(db, tmp_path):
    as_csv, as_json = tmp_path / "c.csv", tmp_path / "c.json"
    as_csv.write_text(f"{HEAD},question,choices,answer\n{ROW},Which?,Carrera T | Grand Seiko,GRAND SEIKO\n")
    row = dict(zip(HEAD.split(","), ROW.split(","), strict=True)) | {"slug": "other", "prizes": [{"name": "A"}]}
    row |= {name: int(row[name]) for name in ("ticket_price", "capacity", "max_per_person")}
    as_json.write_text(json.dumps([row | QUESTION | {"question": "Which?"}]))
    _load(as_csv)
    _load(as_json)
    found = Raffle.objects.values_list("question", "choices", "answer")
    assert list(found) == [("Which?", ["Carrera T", "Grand Seiko"], "grand seiko")] * 2


def test_a_catalogue_names_the_faults_of_its_questions(db, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(f"{HEAD},question,choices,answer\n{ROW},Which?,A|B,C\n{ROW.replace('watch', 'w', 1)},,A|A,\n")
    with nothing_written(), pytest.raises(CommandError) as refusal:
        _load(path)
    assert "raffle 1: answer: The right answer is not among the choices." in str(refusal.value)
    assert "raffle 2: question: " in str(refusal.value)
    assert "raffle 2: choices: Two choices are the same answer." in str(refusal.value)
