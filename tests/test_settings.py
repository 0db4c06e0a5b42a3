"""Refusing to run half-configured, keys that are kept, and what the settings really switch on."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as configured
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import connection, transaction
from pytest_django import Settings

from config.checks import refuse_half_configured
from config.keys import given_number, kept_key, new_field_key, new_secret_key
from tests.processes import MANAGE, ROOT, environment

PRODUCTION = {
    "CALLBOARD_SECRET_KEY": "a-secret-of-its-own-" * 3, "CALLBOARD_FIELD_KEYS": Fernet.generate_key().decode(),
    "CALLBOARD_ALLOWED_HOSTS": "board.example", "CALLBOARD_ORIGINS": "https://board.example",
    "CALLBOARD_BEHIND_PROXY": "1", "CALLBOARD_SECOND_FACTOR": "administrators",
}


def reasons(host: str) -> str:
    with pytest.raises(CommandError) as refused:
        refuse_half_configured(host)
    return str(refused.value)


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("text", "number"), [("", 2000), (" 12 ", 12), ("1", 1)])
def test_a_number_may_be_given(monkeypatch: pytest.MonkeyPatch, text: str, number: int) -> None:
    monkeypatch.setenv("CALLBOARD_MAX_SOCKETS", text)
    assert given_number("CALLBOARD_MAX_SOCKETS", 2000) == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "²", "9" * 20])
def test_what_is_no_number_above_zero_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CALLBOARD_MAX_SOCKETS", text)
    with pytest.raises(ImproperlyConfigured, match="CALLBOARD_MAX_SOCKETS must be a whole number above zero"):
        given_number("CALLBOARD_MAX_SOCKETS", 2000)


# ── half-configured ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def sound(settings: Settings) -> Settings:
    """A configuration that may serve on a public address."""
    settings.DEBUG, settings.OWN_KEYS = False, True
    settings.DATABASE_URL, settings.REDIS_URL = "", ""
    settings.SECRET_KEY, settings.ALLOWED_HOSTS = "k" * 50, ["board.example"]
    settings.ORIGINS = ["https://board.example"]
    return settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "127.0.0.1", "localhost", "::1"])
def test_a_sound_configuration_serves_anywhere(sound: Settings, host: str) -> None:
    refuse_half_configured(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_with_nothing_set_it_serves_on_loopback(sound: Settings, host: str) -> None:
    sound.OWN_KEYS, sound.DEBUG, sound.ALLOWED_HOSTS, sound.ORIGINS = False, True, list(sound.LOOPBACK_HOSTS), []
    refuse_half_configured(host)


@pytest.mark.parametrize("public", [{"BEHIND_PROXY": True}, {"ALLOWED_HOSTS": ["board.example"]}])
def test_a_loopback_address_that_others_reach_by_a_proxy_is_public(sound: Settings, public: dict[str, Any]) -> None:
    sound.DEBUG, sound.OWN_KEYS, sound.ALLOWED_HOSTS = True, False, list(sound.LOOPBACK_HOSTS)
    for name, value in public.items():
        setattr(sound, name, value)
    said = reasons("127.0.0.1")
    assert "CALLBOARD_DEBUG" in said
    assert "CALLBOARD_FIELD_KEYS" in said


def test_a_public_address_needs_to_know_where_browsers_come_from(sound: Settings) -> None:
    sound.ORIGINS = []
    assert "CALLBOARD_ORIGINS" in reasons("0.0.0.0")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "board.example", ""])
def test_a_public_address_needs_keys_of_its_own(sound: Settings, host: str) -> None:
    sound.OWN_KEYS = False
    assert "CALLBOARD_SECRET_KEY and CALLBOARD_FIELD_KEYS" in reasons(host)


def test_a_shared_database_needs_keys_of_its_own_even_on_loopback(sound: Settings) -> None:
    sound.OWN_KEYS, sound.DATABASE_URL = False, "postgres://db/callboard"
    assert "CALLBOARD_FIELD_KEYS" in reasons("127.0.0.1")


def test_debug_pages_never_go_public(sound: Settings) -> None:
    sound.DEBUG = True
    assert "CALLBOARD_DEBUG" in reasons("0.0.0.0")


@pytest.mark.parametrize("key", ["short", "k" * 31, "django-insecure-" + "k" * 50])
def test_a_weak_secret_key_is_refused_everywhere(sound: Settings, key: str) -> None:
    sound.SECRET_KEY = key
    assert "CALLBOARD_SECRET_KEY must" in reasons("127.0.0.1")


def test_all_hosts_are_no_hosts(sound: Settings) -> None:
    sound.ALLOWED_HOSTS = ["board.example", "*"]
    assert "CALLBOARD_ALLOWED_HOSTS" in reasons("127.0.0.1")


def test_a_public_cluster_needs_redis(sound: Settings) -> None:
    sound.DATABASE_URL = "postgres://db/callboard"
    assert "REDIS_URL" in reasons("0.0.0.0")
    sound.REDIS_URL = "redis://cache/0"
    refuse_half_configured("0.0.0.0")


def test_every_reason_is_said_at_once(sound: Settings) -> None:
    sound.DEBUG, sound.OWN_KEYS, sound.SECRET_KEY, sound.ALLOWED_HOSTS = True, False, "short", ["*"]
    said = reasons("0.0.0.0")
    assert said.count("\n") == 4
    assert "short" not in said.replace("must have", "")  # never the key itself


# ── keys ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret_key"
    first = kept_key(path, new_secret_key)
    assert kept_key(path, new_secret_key) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secret_key"]


def test_an_open_umask_opens_no_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        kept_key(tmp_path / "field_key", new_field_key)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "field_key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    program = ("import sys; from pathlib import Path; from config.keys import *; "
               "print(kept_key(Path(sys.argv[1]), new_field_key))")
    command = [sys.executable, "-c", program, str(tmp_path / "field_key")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    assert len({process.communicate(timeout=30)[0] for process in running}) == 1


def test_a_second_maker_takes_the_first_ones_key(tmp_path: Path) -> None:
    path = tmp_path / "field_key"

    def slow() -> str:
        path.write_text("the other's")  # another process is quicker
        return "mine"

    assert kept_key(path, slow) == "the other's"
    assert [file.name for file in tmp_path.iterdir()] == ["field_key"]


def test_made_keys_are_fit_for_use() -> None:
    assert len(new_secret_key()) >= 50
    Fernet(new_field_key())


# ── SQLite ─────────────────────────────────────────────────────────────────────────────────────────
def pragma(name: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("name", "value"), [
    ("busy_timeout", 20_000), ("foreign_keys", 1), ("synchronous", 1), ("recursive_triggers", 1),
    ("journal_mode", "wal"),
])
def test_sqlite_is_switched_as_the_settings_say(name: str, value: object) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the suite runs on another database")
    assert pragma(name) == value


@pytest.mark.django_db(transaction=True)
def test_a_transaction_takes_the_write_lock_when_it_begins() -> None:
    """Read-then-write would else end as "database is locked" whatever the patience."""
    if connection.vendor != "sqlite":
        pytest.skip("the suite runs on another database")
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)
    try:
        with transaction.atomic(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    finally:
        other.close()


# ── production ─────────────────────────────────────────────────────────────────────────────────────
def django(tmp_path: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    clean = environment(tmp_path, **more)
    clean.pop("CALLBOARD_ALLOW_PRIVATE_UPSTREAM")
    return subprocess.run([*MANAGE, *words], env=clean, capture_output=True, text=True, timeout=60)


@pytest.mark.processes
def test_djangos_deployment_check_finds_nothing_in_production(tmp_path: Path) -> None:
    done = django(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    assert list(tmp_path.iterdir()) == []  # with keys given, none is made


@pytest.mark.processes
def test_each_setting_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file-" * 4)
    program = "from django.conf import settings; print(settings.SECRET_KEY)"
    done = django(tmp_path, "shell", "-v", "0", "-c", program, CALLBOARD_SECRET_KEY_FILE=str(secret))
    assert done.stdout.strip() == "from-a-file-" * 4, done.stderr


@pytest.mark.processes
def test_two_installations_on_one_redis_do_not_meet_there(tmp_path: Path) -> None:
    """Not even under one address: a number at its end divides what Redis stores, not its channels."""
    def name(folder: str, **more: str) -> str:
        program = "from django.conf import settings; print(settings.CHANNEL_LAYERS['default']['CONFIG']['prefix'])"
        return django(tmp_path / folder, "shell", "-v", "0", "-c", program, REDIS_URL="redis://cache/0", **more).stdout

    assert name("one") == name("one") != name("two")
    assert name("two", **PRODUCTION) == name("three", **PRODUCTION) != ""


@pytest.mark.processes
def test_serve_refuses_a_public_address_with_generated_keys(tmp_path: Path) -> None:
    done = django(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode != 0
    assert "Callboard does not start" in done.stderr
    assert "Traceback" not in done.stderr


def test_pages_allow_scripts_of_our_own_only() -> None:
    directives = configured.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == directives["style-src"] == ["'self'"]
