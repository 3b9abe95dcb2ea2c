"""The API's OpenAPI document, and the pages that show it, served from local assets only."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csp import csp_override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from luxewin.api.views import StrictView

# Both use inline styles, and ReDoc searches in a worker made from a blob; scripts stay ours.
POLICY = settings.SECURE_CSP | {"style-src": ["'self'", "'unsafe-inline'"], "worker-src": ["'self'", "blob:"]}


class DocumentView(StrictView, SpectacularAPIView):
    """The OpenAPI document, the same for everyone. Cost: two seconds of CPU, once for each process and format."""

    parameters = ("format",)

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return it as YAML or JSON."""
        renderer: BaseRenderer = request.accepted_renderer  # type: ignore[attr-defined]  # DRF set it before
        made = _document(type(renderer))  # type: ignore[arg-type]  # a class can be hashed
        return HttpResponse(made, content_type=renderer.media_type)


@cache
def _document(renderer: type[BaseRenderer]) -> str | bytes:
    described = SchemaGenerator().get_schema(request=None, public=True)
    return renderer().render(described, renderer.media_type, {})


@method_decorator(csp_override(POLICY), name="dispatch")
class SwaggerView(StrictView, SpectacularSwaggerSplitView):
    """Swagger UI; its script has its own URL, so none is inline."""

    parameters = ("script",)


@method_decorator(csp_override(POLICY), name="dispatch")
class RedocView(StrictView, SpectacularRedocView):
    """ReDoc, with the system's fonts (templates/drf_spectacular/redoc.html)."""
