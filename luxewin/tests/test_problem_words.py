"""Problem documents in the language that a client asks for."""

from datetime import UTC, datetime
from string import Formatter

import pytest
from django.conf import settings

from luxewin.api.problem_words import catalogue, translated
from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.owasp.surface import document

OTHERS = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
# Only staff meet these.
OF_STAFF = {"contract_missing", "receipt_key_missing", "second_factor_needed", "terms_fixed", "wrong_phase"}


def codes() -> dict[str, set[str]]:
    """Every code of the API's document, with the members that its documents have."""
    schemas = [each.get("properties", {}) for each in document()["components"]["schemas"].values()]
    return {each["code"]["const"]: set(each) for each in schemas if {"type", "title", "status", "code"} <= set(each)}


@pytest.mark.parametrize("language", OTHERS)
def test_no_language_lacks_a_code_and_none_has_one_that_is_not_there(language):
    words = catalogue(language)["problems"]
    known = codes()
    assert len(known) > 60
    assert set(known) - OF_STAFF - set(words) == set()
    # The one that no operation has.
    assert set(words) - set(known) == {"method_not_allowed"}
    for code, text in words.items():
        assert {name for _, name, _, _ in Formatter().parse(text) if name} <= known.get(code, set()), code


def test_every_language_has_the_same_faults():
    first, *rest = (set(catalogue(language)["faults"]) for language in OTHERS)
    assert all(each == first for each in rest)
    assert len(first) > 40


ASKED = [
    ("", "en"),
    ("de-AT,de;q=0.9,en;q=0.8", "de"),
    ("en-GB,de;q=0.5", "en"),
    ("pl, it;q=0.9", "en"),
    ("pl, fr;q=0.1", "fr"),
    ("garbage;;;=,,\x00", "en"),
    ("de," * 5_000, "de"),
]


@pytest.mark.parametrize(("accept", "language"), ASKED, ids=range(len(ASKED)))
def test_the_language_is_the_first_of_ours_that_is_asked_for(accept, language, db):
    answer = client_of().get("/api/v1/users/profile", headers={"Accept-Language": accept})
    assert answer["Content-Language"] == language


def test_members_are_written_as_people_of_the_language_do():
    body = {"code": "raffle_not_open", "detail": "x", "opens_at": datetime(2026, 12, 1, 1, 20, tzinfo=UTC)}
    assert translated(body, "de")["detail"] == "Der Verkauf beginnt am 1. Dezember 2026, 01:20 UTC."
    assert translated(body, "fr")["detail"] == "La vente commence le 1 décembre 2026, 01:20 UTC."
    body = {"code": "limit_reached", "detail": "x", "limit": 12_500, "taken": 3}
    assert "12.500 Lose" in translated(body, "de")["detail"]
    # Without a member that its text names, and in a language that we do not have, a document stays as it is.
    assert translated({"code": "limit_reached", "detail": "x"}, "de")["detail"] == "x"
    assert translated(body, "en") == body


@pytest.mark.django_db
def test_a_buyer_reads_their_language(alice):
    german = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}
    answer = client_of().get("/api/v1/users/profile", headers=german)
    assert assert_problem(answer, 401, "not_authenticated")["detail"] == "Bitte melden Sie sich an."
    assert (answer["Content-Language"], "Accept-Language" in answer["Vary"]) == ("de", True)
    answer = client_of(alice).patch("/api/v1/users/profile", {"display_name": "", "more": 1}, headers=german)
    problem = assert_problem(answer, 400, "invalid")
    assert problem["detail"] == "Bitte korrigieren Sie Ihre Angaben."
    assert {each["field"]: each["detail"] for each in problem["errors"]} == {
        "display_name": "Dieses Feld darf nicht leer sein.",
        "more": "Dieses Feld gibt es nicht.",
    }
    assert assert_problem(client_of().get("/api/v1/nowhere", headers=german), 404)["detail"].startswith("Das gibt es")
    assert client_of().get("/api/v1/nowhere")["Content-Language"] == "en"
