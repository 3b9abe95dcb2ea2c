"""Ids: UUIDv7, so that rows of one time are close together in the index and sort by age."""

from uuid import UUID

import uuid_utils.compat

#: In a path, as a regular expression.
UUID_PATTERN = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def uuid7() -> UUID:
    """Return a new UUIDv7. Python has its own from 3.14 on, PostgreSQL from 18 on; we support older versions."""
    return uuid_utils.compat.uuid7()
