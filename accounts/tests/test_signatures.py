"""Token confusion from an attacker's side: only a token of this type, signed by a key of ours, opens anything."""

import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework_simplejwt import tokens as plain

from accounts.links import reset_links
from accounts.models import User
from accounts.signatures import AccessToken, RefreshToken
from accounts.signing_keys import ring
from accounts.tokens import TokenPair, open_session
from luxewin.tests.asking import assert_problem, client_of

PROFILE, REFRESH = "/api/v1/users/profile", "/api/v1/auth/refresh"


def _encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _hmac(header: dict[str, Any], claims: dict[str, Any], secret: bytes, digest: str = "sha256") -> str:
    """By hand: PyJWT itself refuses to sign like this."""
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), digest))}"


def _eddsa(key: Ed25519PrivateKey, claims: dict[str, Any], **header: Any) -> str:
    signed = f"{_encoded({'alg': 'EdDSA', 'typ': 'JWT'} | header)}.{_encoded(claims)}"
    return f"{signed}.{_encoded(key.sign(signed.encode()))}"


FOREIGN = Ed25519PrivateKey.generate()
FOREIGN_JWK = {"kty": "OKP", "crv": "Ed25519", "x": _encoded(FOREIGN.public_key().public_bytes_raw())}


@cache
def _others_keys() -> tuple[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey]:
    """Keys of other algorithms; an RSA key takes 100 ms to find."""
    return ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


def _forgeries(token: str) -> dict[str, str]:
    """Everything that has been tried against verifiers, made from a good token of the same person and type."""
    claims, ours = jwt.decode(token, options={"verify_signature": False}), ring().signing()
    kid = ours.kid
    raw = ours.public.public_bytes_raw()
    pem = ours.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(ours.jwk()).encode()
    head, body, signature = token.split(".")
    curve, big = _others_keys()
    return {
        "alg none": f"{_encoded({'alg': 'none', 'kid': kid})}.{body}.",
        "alg None": f"{_encoded({'alg': 'None', 'kid': kid})}.{body}.",
        "alg none, signature kept": f"{_encoded({'alg': 'none', 'kid': kid})}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "no algorithm": f"{_encoded({'kid': kid})}.{body}.{signature}",
        "HS256 with the public key": _hmac({"alg": "HS256", "kid": kid}, claims, raw),
        "HS256 with its PEM": _hmac({"alg": "HS256", "kid": kid}, claims, pem),
        "HS256 with its JWK": _hmac({"alg": "HS256", "kid": kid}, claims, jwk),
        "HS256 with its x": _hmac({"alg": "HS256", "kid": kid}, claims, ours.jwk()["x"].encode()),
        "HS256 with nothing": _hmac({"alg": "HS256", "kid": kid}, claims, b""),
        "HS512 with the public key": _hmac({"alg": "HS512", "kid": kid}, claims, raw, "sha512"),
        "ES256": jwt.encode(claims, curve, algorithm="ES256", headers={"kid": kid}),
        "RS256": jwt.encode(claims, big, algorithm="RS256", headers={"kid": kid}),
        "another key under our kid": _eddsa(FOREIGN, claims, kid=kid),
        "another key under its own kid": _eddsa(FOREIGN, claims, kid="foreign"),
        "our key under a foreign kid": _eddsa(ours.private, claims, kid="foreign"),
        "our key without a kid": _eddsa(ours.private, claims),
        "kid of another kind": _eddsa(ours.private, claims, kid=[kid]),
        "kid null": _eddsa(ours.private, claims, kid=None),
        "kid a path": _eddsa(FOREIGN, claims, kid="../../../../dev/null"),
        "kid a statement": _eddsa(FOREIGN, claims, kid="' UNION SELECT 'x"),
        "key in the header": _eddsa(FOREIGN, claims, kid=kid, jwk=FOREIGN_JWK),
        "address of keys in the header": _eddsa(FOREIGN, claims, kid=kid, jku="https://evil.example/jwks.json"),
        "critical header": _eddsa(ours.private, claims, kid=kid, crit=["exp"], exp=1),
        "claims changed": f"{head}.{_encoded(claims | {'user_id': '0' * 32})}.{signature}",
        "signature cut": token[:-4],
    }


@pytest.fixture
def pair(alice) -> TokenPair:
    """Good tokens of Alice."""
    return open_session(alice, user_agent="")


def _profile(token: str) -> Any:
    return client_of().get(PROFILE, headers={"Authorization": f"Bearer {token}"})


def test_the_token_that_all_forgeries_differ_from_is_good(pair):
    assert _profile(pair.access).status_code == 200
    claims = jwt.decode(pair.access, options={"verify_signature": False})
    ours = ring().signing()
    assert _profile(_eddsa(ours.private, claims, kid=ours.kid)).status_code == 200


def test_no_forged_access_token_opens_anything(pair):
    for name, forged in _forgeries(pair.access).items():
        problem = assert_problem(_profile(forged), 401)
        assert problem["code"] == "token_not_valid", name


def test_no_forged_refresh_token_is_exchanged_or_ends_the_session(pair):
    for name, forged in _forgeries(pair.refresh).items():
        assert client_of().post(REFRESH, {"refresh": forged}).status_code == 401, name
    assert client_of().post(REFRESH, {"refresh": pair.refresh}).status_code == 200


def test_one_type_is_not_another(pair, alice):
    assert_problem(_profile(pair.refresh), 401, "token_not_valid")
    assert_problem(client_of().post(REFRESH, {"refresh": pair.access}), 401, "token_not_valid")
    assert_problem(_profile(reset_links.token_for(alice)), 401, "token_not_valid")


@pytest.mark.parametrize("claim", ["aud", "iss", "exp", "jti", "token_type", "user_id", "sid"])
def test_a_token_without_one_of_its_claims_is_refused(claim, pair):
    claims, ours = jwt.decode(pair.access, options={"verify_signature": False}), ring().signing()
    del claims[claim]
    assert_problem(_profile(_eddsa(ours.private, claims, kid=ours.kid)), 401, "token_not_valid")


def test_each_type_has_an_audience_of_its_own(pair):
    """A service that forgets to look at the type still refuses a refresh token."""
    audiences = [jwt.decode(token, options={"verify_signature": False})["aud"] for token in (pair.access, pair.refresh)]
    assert audiences == ["luxewin-api", "luxewin-refresh"]


def test_simplejwt_s_own_classes_sign_nothing(alice):
    """Whoever imports the wrong class finds out at once, and not by tokens under another key."""
    for kind in (plain.AccessToken, plain.RefreshToken):
        with pytest.raises(Exception, match="key"):
            str(kind.for_user(alice))


def test_tokens_name_the_key_that_signed_them(alice: User):
    for token in (AccessToken.for_user(alice), RefreshToken.for_user(alice)):
        assert jwt.get_unverified_header(str(token)) == {"alg": "EdDSA", "typ": "JWT", "kid": ring().signing().kid}
