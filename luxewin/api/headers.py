"""Response headers beside those of Django and django-cors-headers."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Browser features that none of our pages use, so that an injected script cannot use them either.
FEATURES = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "picture-in-picture",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)
PERMISSIONS = ", ".join(f"{feature}=()" for feature in FEATURES)
# A response that is no page may load nothing, however a browser interprets it.
NO_PAGE = "default-src 'none'; frame-ancestors 'none'; sandbox"
PERSONAL = ("/api/v1/auth/", "/api/v1/users/", "/api/v1/purchases")


class HeadersMiddleware:
    """Disable browser features on pages, forbid embedding by others, and keep personal responses out of every cache.

    Must stand below Django's CSP middleware, which leaves an existing policy alone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Keep headers that a view has set itself."""
        response = self.get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        if is_page:
            response.setdefault("Permissions-Policy", PERMISSIONS)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if _is_api(request) and not is_page:
            response.setdefault("Content-Security-Policy", NO_PAGE)
        if _is_personal(request):
            response.setdefault("Cache-Control", "no-store")
        return response


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _is_personal(request: HttpRequest) -> bool:
    """Whether the response is about the person who asks, or may show them what others do not see."""
    is_known = "Authorization" in request.headers or settings.ACCESS_COOKIE in request.COOKIES
    return request.path.startswith(PERSONAL) or (is_known and _is_api(request))
