"""A Supabase project on this machine: keys that rotate, their tokens, and an Auth server that may be unwell."""

import json
import time
from collections import Counter
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

JWKS, USER, SETTINGS = ("/auth/v1/.well-known/jwks.json", "/auth/v1/user", "/auth/v1/settings")
PUBLIC_KEY = "sb_publishable_for_tests"


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A fresh one, P-256 unless another curve is named."""
    return ec.generate_private_key(curve or ec.SECP256R1())


@cache
def rsa_key(bits: int = 2048, name: str = "") -> rsa.RSAPrivateKey:
    """One for each name; making them takes its time."""
    return rsa.generate_private_key(65_537, bits)


def jwk(private: Any, kid: str) -> dict[str, Any]:
    """The public half, as it is published."""
    kind = RSAAlgorithm if isinstance(private, rsa.RSAPrivateKey) else ECAlgorithm
    return {**kind.to_jwk(private.public_key(), as_dict=True), "kid": kid, "use": "sig", "key_ops": ["verify"]}


class Project:
    """`published` is what its JWKS shows, `people` whom its Auth server knows, `asked` what it was asked for."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"first": ec_key()}
        self.published: list[Any] = [jwk(self.keys["first"], "first")]
        self.people: dict[str, dict[str, Any]] = {}
        self.autoconfirm: Any = False
        self.asked: Counter[str] = Counter()
        # What is wrong with the answers, and what happens before one.
        self.illness = ""
        self.before = lambda path: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"project": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From now on nobody listens."""
        self._server.shutdown()
        self._server.server_close()

    def publish(self, kid: str, private: Any) -> None:
        """Adds a key to what it shows and signs with."""
        self.keys[kid] = private
        self.published.append(jwk(private, kid))

    def person(self, email: str | None = None, **changes: Any) -> str:
        """Somebody who registered there and opened the link in the mail; returns their id."""
        subject = str(uuid4())
        known = {"id": subject, "aud": "authenticated", "role": "authenticated", "is_anonymous": False}
        known |= {"email": email or f"{subject}@example.com", "email_confirmed_at": "2026-01-01T00:00:00Z"}
        known |= {"app_metadata": {"provider": "email", "providers": ["email"]}, "user_metadata": {"full_name": "Eve"}}
        self.people[subject] = known | changes
        return subject

    def claims(self, subject: str, **changes: Any) -> dict[str, Any]:
        """What it says of them in a token; what is changed to None is left out."""
        now = int(time.time())
        said = {"iss": f"{self.url}/auth/v1", "aud": "authenticated", "exp": now + 3600, "iat": now, "sub": subject}
        said |= {"role": "authenticated", "aal": "aal1", "session_id": str(uuid4()), "is_anonymous": False}
        # Written by the person: nothing of it may count.
        said |= {"email": "anybody@example.com", "user_metadata": {"email_verified": True, "sub": str(uuid4())}}
        return {name: value for name, value in (said | changes).items() if value is not None}

    def token(self, subject: str, kid: str = "first", **changes: Any) -> str:
        """An access token, signed with one of its keys."""
        private = self.keys[kid]
        algorithm = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(subject, **changes), private, algorithm=algorithm, headers={"kid": kid})


class _Handler(BaseHTTPRequestHandler):
    project: Project

    def do_GET(self) -> None:
        self.project.asked[self.path] += 1
        self.project.before(self.path)
        if sick := getattr(self, f"_{self.project.illness}", None):
            sick()
        else:
            self._answer(*self._healthy())

    def _healthy(self) -> tuple[int, Any]:
        if self.path == JWKS:
            return 200, {"keys": self.project.published}
        if self.headers["apikey"] != PUBLIC_KEY:
            return 401, {"message": "No API key found in request"}
        if self.path == SETTINGS:
            return 200, {"mailer_autoconfirm": self.project.autoconfirm, "disable_signup": False}
        token = self.headers["Authorization"].removeprefix("Bearer ")
        known = self.project.people.get(jwt.decode(token, options={"verify_signature": False})["sub"])
        return (200, known) if known else (403, {"code": 403, "error_code": "session_not_found"})

    def _answer(self, status: int, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _failing(self) -> None:
        self._answer(500, {"code": 500})

    def _garbage(self) -> None:
        self._answer(200, b"<html>\xff")

    def _deep(self) -> None:
        self._answer(200, b"[" * 100_000)

    def _huge(self) -> None:
        self._answer(200, b'{"keys": [' + b" " * 1_000_000 + b"]}")

    def _odd(self) -> None:
        self._answer(200, {"keys": {"first": 1}})

    def _elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.project.url}{JWKS}?elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _silent(self) -> None:
        time.sleep(2)

    def _dripping(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(20):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.2)

    def log_message(self, *args: Any) -> None:
        pass
