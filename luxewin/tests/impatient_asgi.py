"""What `luxewin.tests.impatient` serves."""

from luxewin.asgi import application
from luxewin.server import front
from luxewin.tests.impatient import application_of

front.GRACE_SECONDS = 2.0
front.LONGEST_ANSWER_SECONDS = 2.0
application.application = application_of(application.application)
