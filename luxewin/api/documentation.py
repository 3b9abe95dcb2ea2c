"""The pages of the API's documentation, served from local assets only."""

from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.csp import csp_override
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

# Both draw with inline styles, and ReDoc searches in a worker of its own making; scripts stay ours.
POLICY = settings.SECURE_CSP | {"style-src": ["'self'", "'unsafe-inline'"], "worker-src": ["'self'", "blob:"]}


@method_decorator(csp_override(POLICY), name="dispatch")
class SwaggerView(SpectacularSwaggerSplitView):
    """Swagger UI; its script has an address of its own, so none stands inline."""


@method_decorator(csp_override(POLICY), name="dispatch")
class RedocView(SpectacularRedocView):
    """ReDoc, with the system's fonts (templates/drf_spectacular/redoc.html)."""
