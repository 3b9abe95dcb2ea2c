"""The roof for ASGI servers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")
os.environ.setdefault("DATABASE_POOL", "true")

from django.core.asgi import get_asgi_application

from luxewin import health
from luxewin.checks import refuse_unsafe_settings

application = get_asgi_application()
refuse_unsafe_settings()
health.start()
