"""PostgreSQL and Redis, for the tests of several processes. What is missing is skipped by name, and fails in CI."""

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator

from cryptography.fernet import Fernet

from tests.canary_ears import keep_postgres
from tests.conftest import needs
from tests.processes import free_port

POSTGRES = os.environ.get("CALLBOARD_TEST_POSTGRES", "postgres://root@127.0.0.1:5432")
REDIS = os.environ.get("CALLBOARD_TEST_REDIS", "redis://127.0.0.1:6379/5")


def works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except OSError:
        return False


def redis() -> dict[str, str]:
    """The environment of processes that share a layer; which one, their secret key says."""
    needs(works("redis-cli", "-u", REDIS, "ping"), "Redis", "apt install redis-server, and start it")
    return {"REDIS_URL": REDIS}


@contextlib.contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """The environment of processes that share an empty database of their own, and the keys it demands."""
    needs(works("psql", f"{POSTGRES}/postgres", "-c", "SELECT 1"), "PostgreSQL", "apt install postgresql, and start it")
    name = f"callboard_test_{free_port()}"
    assert works("psql", f"{POSTGRES}/postgres", "-c", f"CREATE DATABASE {name}")
    try:
        yield {"DATABASE_URL": f"{POSTGRES}/{name}", "CALLBOARD_SECRET_KEY": secrets.token_hex(32),
               "CALLBOARD_FIELD_KEYS": Fernet.generate_key().decode()}
    finally:
        keep_postgres(f"{POSTGRES}/{name}")
        works("psql", f"{POSTGRES}/postgres", "-c", f"DROP DATABASE {name} WITH (FORCE)")
