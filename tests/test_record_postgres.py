"""The record on PostgreSQL: append-only for everybody who talks to the database, and every test of it there as well."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dashboard.append_only import REFUSAL, TABLE
from tests.processes import ROOT, environment, free_port, manage
from tests.services import postgres

pytestmark = pytest.mark.processes
LINES = 4
WRITE = """
from dashboard import audit
for number in range(4):
    audit.record("takeover.refused", actor="Sita", account="Northgate", attempt_id=number, message="“Gone” – é",
                 tries=[{"code": "1501", "message": "Busy", "ms": 40}, {"code": "1000", "message": "Gone", "ms": 12}])
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A database of our own with four lines in its record; the environment that leads to it."""
    data = tmp_path_factory.mktemp("data")
    with postgres() as settings:
        manage(data, "migrate", "--verbosity", "0", **settings)
        manage(data, "shell", "--verbosity", "0", "--command", WRITE, **settings)
        yield settings


def written(address: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(f"SELECT * FROM {TABLE} ORDER BY seq".encode()).fetchall()


@pytest.mark.parametrize("statement", [
    f"UPDATE {TABLE} SET actor_name = 'Nobody' WHERE seq = 2", f"UPDATE {TABLE} SET hash = hash",
    f"DELETE FROM {TABLE} WHERE seq = {LINES}", f"DELETE FROM {TABLE}",
    f"TRUNCATE {TABLE}", f"TRUNCATE {TABLE} RESTART IDENTITY CASCADE", f"TRUNCATE dashboard_generation, {TABLE}",
    f"INSERT INTO {TABLE} SELECT * FROM {TABLE} ON CONFLICT (seq) DO UPDATE SET actor_name = 'Nobody'",
    f"INSERT INTO {TABLE} SELECT * FROM {TABLE} ON CONFLICT (id) DO UPDATE SET seq = {TABLE}.seq + 10",
    f"MERGE INTO {TABLE} old USING {TABLE} new ON old.seq = new.seq WHEN MATCHED THEN DELETE",
    f"WITH gone AS (DELETE FROM {TABLE} RETURNING *) SELECT count(*) FROM gone",
])
def test_a_statement_that_changes_a_line_is_refused(settings: dict[str, str], statement: str) -> None:
    address = settings["DATABASE_URL"]
    before = written(address)
    with pytest.raises(psycopg.IntegrityError, match=REFUSAL), psycopg.connect(address) as connection:
        connection.execute(statement.encode())
    assert written(address) == before
    assert len(before) >= LINES


@pytest.fixture
def writer(settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of somebody who is not the tables' owner, and may only read and add in the record."""
    role, owner = f"callboard_writer_{free_port()}", settings["DATABASE_URL"]
    given = [f"CREATE ROLE {role} LOGIN", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
             f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
             f"REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {TABLE} FROM {role}"]
    with psycopg.connect(owner) as connection:
        for statement in given:
            connection.execute(statement.encode())
    yield settings | {"DATABASE_URL": f"{owner}?options=-c%20role%3D{role}"}
    with psycopg.connect(owner) as connection:
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


def test_s25_with_the_rights_revoked_a_line_is_added_and_none_changed_whatever_the_triggers_are(
    settings: dict[str, str], writer: dict[str, str], tmp_path: Path
) -> None:
    """REVOKE beside the triggers: for who gives `serve` a role of its own. The product never needs more."""
    before = written(settings["DATABASE_URL"])
    who = "from django.db import connection; cursor = connection.cursor(); cursor.execute('SELECT current_user')"
    said = manage(tmp_path, "shell", "--verbosity", "0", "--command", f"{WRITE}\n{who}; print(cursor.fetchone()[0])",
                  **writer)
    assert said.startswith("callboard_writer_")
    assert written(settings["DATABASE_URL"])[:len(before)] == before
    assert len(written(settings["DATABASE_URL"])) == len(before) + LINES
    for statement in (f"UPDATE {TABLE} SET actor_name = 'Nobody'", f"DELETE FROM {TABLE}", f"TRUNCATE {TABLE}",
                      f"ALTER TABLE {TABLE} DISABLE TRIGGER ALL", f"DROP TABLE {TABLE} CASCADE"):
        with (pytest.raises(psycopg.errors.InsufficientPrivilege),
              psycopg.connect(writer["DATABASE_URL"]) as connection):
            connection.execute(statement.encode())


def test_what_was_written_there_is_in_order(settings: dict[str, str], tmp_path: Path) -> None:
    """Moments and texts come back from PostgreSQL as they were hashed."""
    lines = len(written(settings["DATABASE_URL"]))
    assert lines >= LINES
    assert manage(tmp_path, "verify_audit", **settings).startswith(f"{lines} lines, head ")


@pytest.mark.long
def test_the_tests_of_the_record_hold_there_too(settings: dict[str, str], tmp_path: Path) -> None:
    files = [f"tests/test_{name}.py" for name in ("audit", "append_only", "record_admin", "record_csv")]
    some = ["-k", "not nonsense or gte or kind"]  # of the nonsense what a database refuses
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some, *files], cwd=ROOT,
                         env=environment(tmp_path, **settings), capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
