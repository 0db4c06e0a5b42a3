"""Many rows written in one go, new or not. Django's bulk_create makes an object and a parameter each by each: of what
a list of a thousand calls costs that was two thirds. Blocking: run off the loop.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Model


def upsert(model: type[Model], columns: tuple[str, ...], unique: tuple[str, ...], update: tuple[str, ...],
           rows: Iterable[Sequence[Any]]) -> int:
    """Writes `rows` (values by `columns`); of those that exist by `unique` only `update` is changed. How many."""
    values = list(rows)
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_sql(model, columns, unique, update), values)
    return len(values)


@lru_cache(maxsize=16)
def _sql(model: type[Model], columns: tuple[str, ...], unique: tuple[str, ...], update: tuple[str, ...]) -> str:
    """Names come from the model's own fields; its defaults are Django's, so columns that are left out must have one in
    `columns` or be given."""
    name = {field.attname: connection.ops.quote_name(str(field.column)) for field in model._meta.concrete_fields}
    table = connection.ops.quote_name(model._meta.db_table)
    listed = ", ".join(name[column] for column in columns)
    places = ", ".join(["%s"] * len(columns))
    conflict = ", ".join(name[column] for column in unique)
    changed = ", ".join(f"{name[column]} = excluded.{name[column]}" for column in update)
    return (f"INSERT INTO {table} ({listed}) VALUES ({places}) "  # noqa: S608 - names of our own columns
            f"ON CONFLICT ({conflict}) DO UPDATE SET {changed}")
