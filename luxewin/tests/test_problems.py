"""Problem details: one shape for every refusal, wherever it arises."""

from datetime import datetime, timedelta, timezone

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.urls import include, path
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from luxewin.api.problems import InvalidInput, Problem, Unavailable, flatten, moment
from luxewin.tests.asking import assert_problem, client_of


class Full(Problem):
    """A refusal with data."""

    code = "full"
    title = "Full"


RAISED = {
    "django404": Http404("secret"),
    "denied": PermissionDenied("secret"),
    "problem": Full("No room.", left=0),
    "unavailable": Unavailable("Away."),
    "invalid": InvalidInput.of("a.b", "wrong", "Wrong."),
    "throttled": exceptions.Throttled(wait=7),
    "database": OperationalError("secret"),
    "validation": serializers.ValidationError({"name": ["Too long."], "prizes": [{}, {"name": ["Missing."]}]}),
    "bug": ZeroDivisionError("secret"),
}


class Raising(APIView):
    """Raises what its address names."""

    permission_classes = [AllowAny]

    def get(self, request: Request, kind: str) -> Response:
        """Never answers."""
        raise RAISED[kind]


urlpatterns = [path("raise/<str:kind>", Raising.as_view()), path("", include("luxewin.urls"))]
handler404, handler500 = "luxewin.api.problems.not_found", "luxewin.api.problems.server_error"
EXPECTED = {
    "django404": (404, "not_found"),
    "denied": (403, "permission_denied"),
    "problem": (409, "full"),
    "unavailable": (503, "unavailable"),
    "invalid": (400, "invalid"),
    "throttled": (429, "throttled"),
    "database": (503, "unavailable"),
    "validation": (400, "invalid"),
    "bug": (500, "server_error"),
}


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("kind", RAISED)
def test_whatever_a_view_raises_is_a_problem_document_that_tells_no_secret(kind):
    response = client_of().get(f"/raise/{kind}")
    assert_problem(response, *EXPECTED[kind])
    assert b"secret" not in response.content


@pytest.mark.urls(__name__)
def test_data_of_a_problem_stands_beside_its_members_and_waiting_is_a_header():
    assert client_of().get("/raise/problem").json()["left"] == 0
    assert client_of().get("/raise/unavailable")["Retry-After"] == "5"
    assert client_of().get("/raise/throttled")["Retry-After"] == "7"


@pytest.mark.urls(__name__)
def test_every_fault_is_named_by_its_path():
    problem = client_of().get("/raise/validation").json()
    assert [(fault["field"], fault["detail"]) for fault in problem["errors"]] == [
        ("name", "Too long."),
        ("prizes.1.name", "Missing."),
    ]


def test_faults_of_many_come_as_dicts_or_lists_and_are_flattened_alike():
    as_list = flatten(serializers.ValidationError({"prizes": [{}, {"name": ["Missing."]}]}).detail)
    as_dict = flatten(serializers.ValidationError({"prizes": {1: {"name": ["Missing."]}}}).detail)
    assert as_list == as_dict == [{"field": "prizes.1.name", "code": "invalid", "detail": "Missing."}]


def test_a_fault_of_the_whole_body_has_no_field():
    assert flatten({"non_field_errors": ["No."]}) == [{"field": "", "code": "invalid", "detail": "No."}]
    assert flatten({"prizes": {"non_field_errors": ["No."]}})[0]["field"] == "prizes"


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/api/v2/raffles", "/health", "/webhooks"])
def test_a_path_to_nothing_is_a_problem_document(path, db):
    assert_problem(client_of().get(path), 404, "not_found")


def test_a_host_that_is_not_ours_is_a_problem_document(db):
    assert_problem(client_of().get("/api/v1/raffles/list", headers={"Host": "evil.example"}), 400, "bad_request")


@pytest.mark.parametrize("offered", ["0123456789abcdef", "a.b-c_d.e"])
def test_a_well_formed_request_id_is_kept(offered, db):
    response = client_of().get("/api/v1/users/profile", headers={"X-Request-ID": offered})
    assert assert_problem(response, 401)["request_id"] == offered


@pytest.mark.parametrize("offered", ["short", "a" * 65, "with space here", "ünïcödé-id", "12345678\n"])
def test_any_other_request_id_is_replaced(offered, db):
    response = client_of().get("/api/v1/users/profile", headers={"X-Request-ID": offered})
    assert assert_problem(response, 401)["request_id"] != offered


def test_times_in_texts_are_for_people():
    assert moment(datetime(2026, 12, 1, 2, 20, tzinfo=timezone(timedelta(hours=1)))) == "1 December 2026, 01:20 UTC"
