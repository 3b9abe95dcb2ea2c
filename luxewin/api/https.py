"""Plain HTTP: pages redirect to https, the API refuses."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from luxewin.api.problems import CONTENT_TYPE, document

DETAIL = "Use https://. What you sent went over the network in clear: change the password or token that was in it."


class HttpsOnlyMiddleware:
    """Refuse API requests that did not come over TLS, if SECURE_SSL_REDIRECT is on (403 `https_required`).

    A redirect would hide a client's wrong address, and its token would be sent in clear again each time.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse before anything of the request is read."""
        if settings.SECURE_SSL_REDIRECT and request.path.startswith("/api/") and not request.is_secure():
            body = document(HTTPStatus.FORBIDDEN, "https_required", "HTTPS required", DETAIL)
            return JsonResponse(body, status=HTTPStatus.FORBIDDEN, content_type=CONTENT_TYPE)
        return self.get_response(request)
