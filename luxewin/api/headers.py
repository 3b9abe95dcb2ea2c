"""Headers that every answer carries beside those that Django and django-cors-headers set."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# What no page of ours asks a browser for, and no script that got into one may ask for either.
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
# An answer that is no page loads nothing, whatever a browser takes it for.
NO_PAGE = "default-src 'none'; frame-ancestors 'none'; sandbox"
PERSONAL = ("/api/v1/auth/", "/api/v1/users/", "/api/v1/purchases")


class HeadersMiddleware:
    """Closes the browser's features, keeps answers out of other sites' pages, and personal ones out of every cache.

    Stands below Django's middleware for CSP, which leaves a policy that is set already alone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Leaves what a view has said itself as it is."""
        response = self.get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if _is_api(request) and not response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Content-Security-Policy", NO_PAGE)
        if _is_personal(request):
            response.setdefault("Cache-Control", "no-store")
        return response


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _is_personal(request: HttpRequest) -> bool:
    """Whether it is about the person who asks, or may show them what it does not show others."""
    is_known = "Authorization" in request.headers or settings.ACCESS_COOKIE in request.COOKIES
    return request.path.startswith(PERSONAL) or (is_known and _is_api(request))
