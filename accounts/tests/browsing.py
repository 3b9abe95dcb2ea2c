"""A device that signs in over HTTP, in either mode, as a browser or an app would."""

from typing import Any

from django.conf import settings
from rest_framework.test import APIClient

MODES = ("bearer", "cookie")


class Device:
    """A client with its own cookies, from which Django asks its CSRF token as it would from a browser."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.http = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers: dict[str, str] = {}
        self.refresh_token = ""

    def sign_in(self, email: str, password: str) -> Any:
        """The answer of auth/login."""
        self.fetch_csrf()
        answer = self.ask("post", "auth/login", {"email": email, "password": password, "mode": self.mode})
        return self.take(answer)

    def refresh(self) -> Any:
        """The answer of auth/refresh."""
        return self.take(self.ask("post", "auth/refresh", self._body()))

    def sign_out(self) -> Any:
        """The answer of auth/logout."""
        return self.ask("post", "auth/logout", self._body())

    def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> Any:
        """Any request of the API; an empty header is left out."""
        sent = {name: value for name, value in (self.headers | headers).items() if value}
        return getattr(self.http, verb)(f"/api/v1/{path}", body, headers=sent)

    def take(self, answer: Any) -> Any:
        """Keeps the tokens of an answer; the cookies keep themselves."""
        if answer.status_code != 200:
            return answer
        if self.mode == "bearer":
            self.refresh_token = answer.json()["refresh"]
            self.headers = {"Authorization": f"Bearer {answer.json()['access']}"}
        else:
            self.fetch_csrf()
        return answer

    def fetch_csrf(self) -> None:
        """Sends the CSRF token of now from here on."""
        if self.mode == "cookie":
            self.headers = {"X-CSRFToken": self.ask("get", "auth/csrf").json()["csrf_token"]}

    def stolen(self) -> "Device":
        """A copy of all that this device keeps, in somebody else's hands."""
        thief = Device(self.mode)
        thief.http.cookies.update(self.http.cookies)
        thief.headers, thief.refresh_token = dict(self.headers), self.refresh_token
        return thief

    def cookie(self, name: str) -> Any:
        """One of its cookies, by the name of the setting."""
        return self.http.cookies.get(getattr(settings, name))

    def _body(self) -> dict[str, str]:
        return {"refresh": self.refresh_token} if self.mode == "bearer" else {}
