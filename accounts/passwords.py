"""Passwords: how they are hashed."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with 46 MiB, one pass and one lane, the first of the settings that OWASP holds for equally good.

    Django's own take 100 MiB and eight lanes: on a small server a few people signing in at once would be an outage.
    """

    time_cost = 1
    memory_cost = 47_104
    parallelism = 1
