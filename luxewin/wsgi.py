"""The roof for WSGI servers: `granian --interface wsgi luxewin.wsgi:application`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")
# Only web processes share connections among threads; see the settings.
os.environ.setdefault("DATABASE_POOL", "true")

from django.core.wsgi import get_wsgi_application

from luxewin import health
from luxewin.api.bodies import measured
from luxewin.checks import refuse_unsafe_settings

application = measured(get_wsgi_application())
refuse_unsafe_settings()
health.start()
