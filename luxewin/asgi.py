"""The application of `manage.py serve`: Django behind the server's front, which guards its threads."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")
# Only web processes share connections among threads; see the settings.
os.environ.setdefault("DATABASE_POOL", "true")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

django = get_wsgi_application()

# Imported here, because they need the loaded apps.
from luxewin import health  # noqa: E402
from luxewin.checks import refuse_unsafe_settings  # noqa: E402
from luxewin.schema import refuse_older_schema  # noqa: E402
from luxewin.server.front import Front  # noqa: E402
from luxewin.server.lanes import lanes_of_product  # noqa: E402
from luxewin.server.public_answers import PublicAnswers  # noqa: E402

front = Front(
    django,
    threads=settings.WEB_THREADS,
    lanes=lanes_of_product(
        reads=settings.READS_AT_ONCE,
        checkout=settings.CHECKOUT_AT_ONCE,
        settlement=settings.SETTLEMENT_AT_ONCE,
        staff=settings.STAFF_AT_ONCE,
        waiting=settings.WAITING_PER_THREAD,
    ),
    body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    ask_first=("/api/v1/webhooks/",),
)
most_bytes = settings.PUBLIC_ANSWERS_MEGABYTES * 1_000_000
application = PublicAnswers(front, most_bytes=most_bytes) if most_bytes else front
refuse_unsafe_settings()
refuse_older_schema()
health.start()
