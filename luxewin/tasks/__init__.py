"""The core of background work: django-q2 on the ORM broker, and the timer that finds due work."""
