"""The record on PostgreSQL: append-only for everybody who talks to the database, and every test of it there as well."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dashboard.append_only import REFUSAL, TABLE
from tests.processes import ROOT, environment, manage
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
    assert len(before) == LINES


def test_what_was_written_there_is_in_order(settings: dict[str, str], tmp_path: Path) -> None:
    """Moments and texts come back from PostgreSQL as they were hashed."""
    assert manage(tmp_path, "verify_audit", **settings).startswith(f"{LINES} lines, head ")


@pytest.mark.long
def test_the_tests_of_the_record_hold_there_too(settings: dict[str, str], tmp_path: Path) -> None:
    files = [f"tests/test_{name}.py" for name in ("audit", "append_only", "record_admin", "record_csv")]
    some = ["-k", "not nonsense or gte or kind"]  # of the nonsense what a database refuses
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some, *files], cwd=ROOT,
                         env=environment(tmp_path, **settings), capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
