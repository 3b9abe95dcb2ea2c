"""What `luxewin.tests.impatient` serves."""

from luxewin import asgi
from luxewin.server import front
from luxewin.tests.impatient import application_of

front.GRACE_SECONDS = 2.0
front.LONGEST_ANSWER_SECONDS = 2.0
asgi.front.application = application_of(asgi.front.application)
application = asgi.application
