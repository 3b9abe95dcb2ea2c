"""Forged, foreign, stale and odd access tokens of Supabase: refused, and what they point at is never asked."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accounts.models import Identity, Session, User
from accounts.tests.project import JWKS, Project, jwk, rsa_key
from accounts.tokens import open_session
from luxewin.tests.asking import assert_problem, client_of, nothing_written

SUPABASE = "/api/v1/auth/supabase"
SECRET = "a-legacy-secret-of-forty-characters-long"


@pytest.fixture
def project(project: Project) -> Project:
    """The one of the settings, with a key of either kind."""
    project.publish("rsa", rsa_key())
    return project


@pytest.fixture
def foreign() -> Iterator[Project]:
    """Another's, whose keys have the same names."""
    made = Project()
    made.publish("rsa", rsa_key(name="foreign"))
    yield made
    made.stop()


@pytest.fixture
def eve(alice, project) -> str:
    """Alice's id in the project, which is linked to her account."""
    subject = project.person(alice.email)
    Identity.objects.create(provider="supabase", subject=subject, user=alice, email=alice.email)
    return subject


def _send(token: str) -> Any:
    return client_of().post(SUPABASE, {"access_token": token})


def _refused(token: str) -> None:
    with nothing_written():
        answer = _send(token)
    # An empty or overlong text is no input at all.
    code = "invalid" if answer.status_code == 400 else "token_not_valid"
    assert_problem(answer, 400 if code == "invalid" else 401, code)


@pytest.mark.parametrize("kid", ["first", "rsa"])
def test_the_tokens_that_all_these_differ_from_are_good(kid, project, eve, alice):
    answer = _send(project.token(eve, kid))
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(alice.pk))
    assert Session.objects.get().user == alice


def test_a_token_is_good_until_it_expires_however_often_it_is_shown(project, eve):
    token = project.token(eve)
    assert [_send(token).status_code for _ in range(3)] == [200] * 3
    assert project.asked == {JWKS: 1}


def test_a_token_of_the_legacy_secret_is_good_where_the_secret_is_set(project, eve, settings):
    claims = project.claims(eve)
    for headers in ({}, {"kid": "qXs0V7tzNf1o3T0c"}):
        token = jwt.encode(claims, SECRET, algorithm="HS256", headers=headers)
        settings.SUPABASE_JWT_SECRET = ""
        _refused(token)
        settings.SUPABASE_JWT_SECRET = SECRET
        assert _send(token).status_code == 200
        _refused(jwt.encode(claims, SECRET + "x", algorithm="HS256", headers=headers))
    # Under the name of a published key it is a confusion.
    _refused(jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "first"}))


def _part(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _by_hand(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """For what PyJWT refuses to make."""
    text = f"{_part(header)}.{_part(claims)}"
    return f"{text}.{_part(sign(text.encode()))}"


def _hmac(secret: bytes, kid: str | None = "rsa", digest: Any = hashlib.sha256) -> Callable[..., str]:
    header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    return lambda claims: _by_hand(header, claims, lambda text: hmac.digest(secret, text, digest))


def _shapes(private: Any, kid: str) -> dict[str, bytes]:
    """How a public key could be read as a secret."""
    public = private.public_key()
    return {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "stripped PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk(private, kid)).encode(),
        "short JWK": json.dumps(jwk(private, kid), separators=(",", ":")).encode(),
        "kid": kid.encode(),
        "nothing": b"",
    }


@pytest.mark.parametrize("secret", ["", SECRET], ids=["no secret", "a secret"])
@pytest.mark.parametrize("kid", ["first", "rsa"])
def test_a_public_key_is_never_a_secret(kid, secret, project, eve, settings):
    settings.SUPABASE_JWT_SECRET = secret
    claims = project.claims(eve)
    for shape in _shapes(project.keys[kid], kid).values():
        for named in (kid, None, "unknown"):
            _refused(_hmac(shape, named)(claims))


def _with(header: dict[str, Any], kid: str = "first") -> Callable[..., str]:
    """Signed by a key of the foreigner's, which the header brings along or points at."""
    return lambda project, foreign, eve: jwt.encode(
        project.claims(eve),
        foreign.keys[kid],
        algorithm="ES256",
        headers={"kid": kid}
        | {
            name: value.format(foreign.url) if isinstance(value, str) else jwk(foreign.keys[kid], kid)
            for name, value in header.items()
        },
    )


def _none(alg: str) -> Callable[..., str]:
    return lambda project, foreign, eve: _by_hand({"alg": alg, "kid": "first"}, project.claims(eve), lambda _: b"")


def _cut(project: Project, foreign: Project, eve: str) -> str:
    return project.token(eve).rpartition(".")[0] + "."


def _changed(project: Project, foreign: Project, eve: str) -> str:
    header, _, signature = project.token(project.person()).split(".")
    return f"{header}.{_part(project.claims(eve))}.{signature}"


def _signed(alg: str, kid: str, named: str) -> Callable[..., str]:
    """By a key of the project's, under another algorithm or another key's name."""
    return lambda project, foreign, eve: jwt.encode(
        project.claims(eve), project.keys[kid], algorithm=alg, headers={"kid": named}
    )


FORGERIES: dict[str, Callable[[Project, Project, str], str]] = {
    **{f"alg {alg}": _none(alg) for alg in ("none", "None", "NONE", "", "ES256")},
    "no signature": _cut,
    "another's claims": _changed,
    "PS256": _signed("PS256", "rsa", "rsa"),
    "RS512": _signed("RS512", "rsa", "rsa"),
    "RSA as EC": _signed("RS256", "rsa", "first"),
    "EC as RSA": _signed("ES256", "first", "rsa"),
    "no such kid": _signed("ES256", "first", "unknown"),
    "no kid": lambda project, foreign, eve: jwt.encode(project.claims(eve), project.keys["first"], algorithm="ES256"),
    "foreign key, our names": lambda project, foreign, eve: foreign.token(eve, iss=f"{project.url}/auth/v1"),
    "foreign RSA key": lambda project, foreign, eve: foreign.token(eve, "rsa", iss=f"{project.url}/auth/v1"),
    "a foreign project's": lambda project, foreign, eve: foreign.token(eve),
    "jku": _with({"jku": f"{{}}{JWKS}"}),
    "x5u": _with({"x5u": "{}/certificate.pem"}),
    "jwk": _with({"jwk": None}),
    "kid as an address": lambda project, foreign, eve: jwt.encode(
        project.claims(eve), foreign.keys["first"], algorithm="ES256", headers={"kid": f"{foreign.url}{JWKS}"}
    ),
    "crit": lambda project, foreign, eve: jwt.encode(
        project.claims(eve), project.keys["first"], algorithm="ES256", headers={"kid": "first", "crit": ["exp"]}
    ),
    "kid a number": lambda project, foreign, eve: _by_hand(
        {"alg": "ES256", "kid": 1}, project.claims(eve), lambda _: b"x" * 64
    ),
    "kid a path": lambda project, foreign, eve: _by_hand(
        {"alg": "HS256", "kid": "../../../../dev/null"},
        project.claims(eve),
        lambda text: hmac.digest(b"", text, "sha256"),
    ),
}


@pytest.mark.parametrize("secret", ["", SECRET], ids=["no secret", "a secret"])
@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_token_is_refused_and_nobody_else_is_asked(kind, secret, project, foreign, eve, settings):
    settings.SUPABASE_JWT_SECRET = secret
    _refused(FORGERIES[kind](project, foreign, eve))
    assert foreign.asked == {}
    assert set(project.asked) <= {JWKS}


NOW = int(time.time())
CLAIMS: dict[str, dict[str, Any]] = {
    **{f"no {name}": {name: None} for name in ("iss", "aud", "exp", "iat", "sub", "role")},
    "another issuer": {"iss": "https://other.supabase.co/auth/v1"},
    "an issuer that ours begins": {"iss": "supabase"},
    "an issuer that is none": {"iss": ""},
    "another audience": {"aud": "anon"},
    "other audiences": {"aud": ["anon", "authenticated-not"]},
    "an audience that is no text": {"aud": {"authenticated": True}},
    "over": {"exp": NOW - 60},
    "over for ever": {"exp": -1},
    "an end that is no number": {"exp": "tomorrow"},
    "an endless end": {"exp": float("inf")},
    "of tomorrow": {"iat": NOW + 86_400, "exp": NOW + 90_000},
    "not yet": {"nbf": NOW + 3_600},
    "the public key as a token": {"role": "anon"},
    "the key of servers": {"role": "service_role"},
    "roles": {"role": ["authenticated"]},
    "no UUID": {"sub": "alice@example.com"},
    "no text": {"sub": 7},
    "nobody": {"sub": ""},
    "anonymous": {"is_anonymous": True},
    "anonymous in other words": {"is_anonymous": "yes"},
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_a_well_signed_token_that_says_something_else_is_refused(kind, project, eve):
    _refused(project.token(eve, **CLAIMS[kind]))


@pytest.mark.parametrize("claims", [{"exp": -5}, {"iat": 5}, {"nbf": 5}], ids=lambda claims: next(iter(claims)))
def test_clocks_may_differ_by_seconds(claims, project, eve):
    now = int(time.time())
    assert _send(project.token(eve, **{name: now + offset for name, offset in claims.items()})).status_code == 200


GARBAGE = {
    "a word": "garbage",
    "dots": "..",
    "four parts": "a.b.c.d",
    "no base64": "ä.ö.ü",
    "no JSON": f"{_part(b'{')}.{_part(b'{')}.{_part(b'x')}",
    "a list": f"{_part([])}.{_part([])}.{_part(b'x')}",
    "deep": f"{_part(b'[' * 4_000)}.{_part({})}.{_part(b'x')}",
    "no UTF-8": f"{_part(bytes([255, 254]))}.{_part({})}.{_part(b'x')}",
    "an alg of another kind": f"{_part({'alg': ['ES256'], 'kid': 'first'})}.{_part({})}.{_part(b'x')}",
    "an algorithm of no kind": f"{_part({'alg': None, 'kid': 'first'})}.{_part({})}.{_part(b'x')}",
    "very long": "a" * 8_193,
    "nothing": "",
    "white space": " . . ",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_refused(kind, project, eve):
    _refused(GARBAGE[kind])


def test_our_own_tokens_are_not_supabases(alice, project):
    pair = open_session(alice, user_agent="")
    _refused(pair.access)
    _refused(pair.refresh)


def test_a_random_kid_each_time_does_not_make_us_ask_each_time(project, eve):
    for _ in range(12):
        _refused(project.token(eve, exp=None))
        _refused(_signed("ES256", "first", uuid4().hex)(project, project, eve))
    assert project.asked == {JWKS: 1}


@pytest.mark.parametrize("illness", ["failing", "garbage", "huge", "silent"])
def test_while_the_keys_cannot_be_had_the_answer_says_to_try_again(illness, project, eve, request):
    project.illness = illness
    if illness == "silent":
        request.getfixturevalue("impatient")
    answer = _send(project.token(eve))
    assert_problem(answer, 503, "supabase_unavailable")
    assert answer["Retry-After"]


def test_while_supabase_is_away_those_whose_keys_are_known_sign_in(project, eve):
    assert _send(project.token(eve)).status_code == 200
    project.stop()
    assert _send(project.token(eve)).status_code == 200


def test_with_the_legacy_secret_supabase_need_not_be_there(project, eve, settings):
    settings.SUPABASE_JWT_SECRET = SECRET
    project.stop()
    assert _send(jwt.encode(project.claims(eve), SECRET, algorithm="HS256")).status_code == 200


def test_without_a_project_there_is_nothing_to_sign_in_to(alice, project, settings):
    settings.SUPABASE_URL = ""
    assert_problem(_send(project.token(project.person())), 404, "supabase_not_configured")
    assert User.objects.count() == 1
