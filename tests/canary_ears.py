"""What a test process says, written down for the scan at the end: log lines, answers, what goes into the database.

It learns the secrets as well: what is sealed, each password that is set, and each secret that the product makes, which
here all begin with the same letters (SIGN).
"""

import json
import logging
import os
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import MultiFernet
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.backends.signals import connection_created
from django.test import AsyncClient, Client
from psycopg import sql

from config.logs import Json
from tests.canaries import ANSWER, DATABASE, LOG, METRICS, OUTPUT, RECORD, TEST_MARK, aviary

SIGN = "SungBird"
BOUND = 256 * 1024 * 1024  # of each kind in each process; what comes after is counted, and fails the scan
RECORD_TABLE = "dashboard_auditevent"


class Ears:
    """One file for each kind of thing that is heard. Threads may speak at the same time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._files = {kind: (directory / f"heard.{kind}").open("wb")
                       for kind in (LOG, ANSWER, METRICS, DATABASE, RECORD, OUTPUT)}
        self._tests: dict[str, str] = {}
        self._lock = threading.Lock()
        self.directory, self.heard, self.lost = directory, Counter[str](), 0

    def hear(self, kind: str, data: bytes, test: str = "") -> None:
        with self._lock:
            file = self._files[kind]
            if file.closed or file.tell() + len(data) > BOUND:
                self.lost += 1
                return
            test = (test or os.environ.get("PYTEST_CURRENT_TEST", "").split(" (")[0]).split("[")[0]  # without values
            if self._tests.get(kind) != test:
                self._tests[kind] = test
                file.write(TEST_MARK + test.encode() + b"\n")
            file.write(data + b"\n")
            self.heard[kind] += 1

    def close(self) -> None:
        with self._lock:
            for file in self._files.values():
                file.close()


SHOWN_ONCE = re.compile(rb"data-wall-link>[^<]*")  # to the administrator who asked for it; it may stand nowhere else


class Listener(logging.Handler):
    """Each record as the product's own handler would write it."""

    def emit(self, record: logging.LogRecord) -> None:
        heard(LOG, self.format(record))


ears: Ears | None = None
listener = Listener(logging.INFO)
listener.setFormatter(Json())


def listen(directory: Path) -> Ears:
    """From here to the end of this process. Nothing is taken off again: the process ends with the suite."""
    global ears
    ears = Ears(directory)
    _hear_answers(Client, ears)
    _hear_answers_of_async_clients(ears)
    connection_created.connect(_hear_writes, weak=False, dispatch_uid="canaries")
    _learn_secrets()
    return ears


def hear_log_lines() -> None:
    """Anew before each test: whatever calls django.setup() takes the handlers away."""
    logging.getLogger().addHandler(listener)


def heard(kind: str, text: str) -> None:
    """Something that came from another process; nothing when nobody listens."""
    if ears is not None:
        ears.hear(kind, text.encode())


# ── answers ────────────────────────────────────────────────────────────────────────────────────────
def _hear_answers(client: Any, ears: Ears) -> None:
    ask: Callable[..., Any] = client.request

    def request(self: Any, **environ: Any) -> Any:
        answer = ask(self, **environ)
        _note(answer, str(environ.get("PATH_INFO", "")), ears)
        return answer

    client.request = request


def _hear_answers_of_async_clients(ears: Ears) -> None:
    ask: Callable[..., Any] = AsyncClient.request

    async def request(self: Any, **environ: Any) -> Any:
        answer = await ask(self, **environ)
        _note(answer, str(environ.get("path", "")), ears)
        return answer

    AsyncClient.request = request  # type: ignore[method-assign]


def _note(answer: Any, path: str, ears: Ears) -> None:
    """The body, and where it leads; not the cookies, which are for the one browser, nor the link that is shown once."""
    kind = METRICS if path == "/metrics" else ANSWER
    ears.hear(kind, answer.get("Location", "").encode("utf-8", "replace"))
    if not answer.streaming:
        ears.hear(kind, SHOWN_ONCE.sub(b"", answer.content))
    elif not answer.is_async:
        pieces = answer.streaming_content

        def passing() -> Any:
            for piece in pieces:
                ears.hear(kind, piece)
                yield piece

        answer.streaming_content = passing()


# ── the database ───────────────────────────────────────────────────────────────────────────────────
def _hear_writes(connection: Any, **_more: Any) -> None:
    if _note_write not in connection.execute_wrappers:
        connection.execute_wrappers.append(_note_write)


def _note_write(execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: Any) -> Any:
    text = str(statement)
    if ears is not None and text.startswith(("INSERT", "UPDATE")):
        kind = RECORD if RECORD_TABLE in text[:80] else DATABASE
        values = [value for line in (params or ()) for value in line] if many else list(params or ())
        ears.hear(kind, b" ".join(_bytes(value) for value in values or [text]))
    return execute(statement, params, many, context)


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return str(getattr(value, "obj", value)).encode("utf-8", "replace")  # psycopg wraps JSON


def keep_postgres(address: str) -> None:
    """All rows of a database that is about to be dropped, as text."""
    if ears is None:
        return
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(address) as connection:
        for (table,) in connection.execute(tables).fetchall():
            with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as rows:
                ears.hear(RECORD if table == RECORD_TABLE else DATABASE, b"".join(map(bytes, rows)))


# ── secrets ────────────────────────────────────────────────────────────────────────────────────────
def _learn_secrets() -> None:
    aviary.sow("a secret that Callboard made", SIGN)
    aviary.met("Django's key", settings.SECRET_KEY)
    for key in settings.FIELD_KEYS:
        aviary.met("a field key", key)
    _learn_what_is_sealed()
    made, keep = secrets.token_urlsafe, AbstractBaseUser.set_password

    def token_urlsafe(nbytes: int | None = None) -> str:
        return SIGN + made(nbytes)[len(SIGN):]

    def set_password(self: Any, raw_password: str | None) -> None:
        aviary.met("a person's password", raw_password or "")
        keep(self, raw_password)

    secrets.token_urlsafe = token_urlsafe
    AbstractBaseUser.set_password = set_password  # type: ignore[method-assign]


def _learn_what_is_sealed() -> None:
    encrypt = MultiFernet.encrypt

    def seal(self: MultiFernet, msg: bytes) -> bytes:
        try:
            owner, text = json.loads(msg)
        except ValueError:  # a payload: compressed
            return encrypt(self, msg)
        aviary.met(f"sealed: {owner.split(':')[0]} {owner.split(':')[-1]}", str(text))
        return encrypt(self, msg)

    MultiFernet.encrypt = seal  # type: ignore[method-assign]
