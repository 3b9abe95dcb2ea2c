"""Columns of raffles that Django does not have."""

from datetime import datetime
from typing import Any

from django.db import models


def whole_second(at: datetime) -> datetime:
    """Return the time without its fraction of a second: a promised time is one that everybody can write down."""
    return at.replace(microsecond=0)


class WholeSecondField(models.DateTimeField):
    """A time in whole seconds; a fraction is dropped by every write, `update` included."""

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """Drop the fraction on the instance too, so that it equals the row."""
        value = super().pre_save(model_instance, add)
        if isinstance(value, datetime):
            value = whole_second(value)
            setattr(model_instance, self.attname, value)
        return value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """Drop the fraction; expressions are left to the database."""
        # Not in `get_prep_value`, which lookups use too: they compare with times as they are.
        return super().get_db_prep_save(whole_second(value) if isinstance(value, datetime) else value, connection)


class StoredField(models.GeneratedField):
    """A column that the database computes and stores."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"db_persist": True} | kwargs))

    def _check_supported(self, databases: Any) -> list[Any]:
        """Do not ask the database for its version: processes check themselves while it is away too."""
        return []
