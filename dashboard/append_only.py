"""What keeps the record append-only in the database itself, whoever writes to it: triggers, and all of their SQL.

`install` is what a migration runs. `lifted` is for what must change lines all the same: a later migration that remakes
the table (SQLite drops triggers with it), and tests that play somebody who owns the database.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "dashboard_auditevent"
REFUSAL = "the record is append-only"

# REPLACE deletes past the delete trigger unless the connection asks for recursive_triggers: hence the one for inserts.
# Where no id is given, NEW.id is -1 there.
_SQLITE = {
    "record_no_update": "BEFORE UPDATE ON {table}",
    "record_no_delete": "BEFORE DELETE ON {table}",
    "record_no_replace":
        "BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR seq = NEW.seq)",
}
_POSTGRESQL = {
    "record_no_change": "BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW",
    "record_no_truncate": "BEFORE TRUNCATE ON {table} FOR EACH STATEMENT",
}
_INSTALL = {
    "sqlite": [f"CREATE TRIGGER IF NOT EXISTS {name} {when.format(table=TABLE)} "
               f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END" for name, when in _SQLITE.items()],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION record_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        *(f"CREATE OR REPLACE TRIGGER {name} {when.format(table=TABLE)} EXECUTE FUNCTION record_is_append_only()"
          for name, when in _POSTGRESQL.items()),
    ],
}
_LIFT = {
    "sqlite": [f"DROP TRIGGER IF EXISTS {name}" for name in _SQLITE],
    "postgresql": [*(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}" for name in _POSTGRESQL),
                   "DROP FUNCTION IF EXISTS record_is_append_only()"],
}


def install(connection: BaseDatabaseWrapper) -> None:
    """From here on the database refuses changes. Does nothing on a database that is neither SQLite nor PostgreSQL."""
    _run(connection, _INSTALL)


def lift(connection: BaseDatabaseWrapper) -> None:
    _run(connection, _LIFT)


@contextmanager
def lifted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    lift(connection)
    try:
        yield
    finally:
        install(connection)


def _run(connection: BaseDatabaseWrapper, statements: dict[str, list[str]]) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for statement in statements.get(connection.vendor, []):
            cursor.execute(statement)
