"""How people are found in the back office."""

from accounts.models import User
from luxewin.finding import finder
from luxewin.ids import UUID_PATTERN

finder("Person by e-mail address", r"\S+@\S+", lambda match: User.objects.filter(email=match[0].lower()))
finder("Person by id", UUID_PATTERN, lambda match: User.objects.filter(pk=match[0]))
