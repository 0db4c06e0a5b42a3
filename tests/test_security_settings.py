"""S01, S02: production settings pass, and half-configured ones do not start; each refusal by its id.

Where each line of the security checklist is tested:

    S01 S02      here
    S03 S04 S05  tests/test_security_headers.py; violations in Chromium: tests/test_security_browser.py
    S06-S10      sign-in and sessions: tests/test_sessions.py, and the tests of signing in
    S08          tests/test_second_factor.py, tests/test_second_factor_views.py
    S11          tests/test_security_wire.py (origins)
    S12 S13      tests/test_security_matrix.py, tests/test_security_headers.py (methods)
    S14          tests/test_asking.py
    S15 S16 S17  tests/test_wall.py
    S18 S19      tests/test_security_keys.py, tests/test_proof.py; write-only fields: tests/test_admin.py
    S20 S32      tests/test_public_addresses.py, tests/test_client.py, tests/test_wire_faults.py
    S21 S23 S27  tests/test_canary.py, tests/test_logs.py, tests/test_redaction.py
    S22          tests/test_security_browser.py
    S24          tests/test_record_csv.py
    S25 S26      tests/test_append_only.py, tests/test_audit.py, tests/test_record_postgres.py
    S28          tests/test_socket_abuse.py, tests/test_socket_storms.py
    S29          tests/test_asking.py, tests/test_poison.py
    S30          tests/test_security_supply.py, tests/test_vendored.py
    S31          tests/test_security_headers.py, tests/test_security_wire.py
    F77 F78      tests/test_public_addresses.py
    F79 F81      tests/test_security_browser.py
    F80 F82      tests/test_canary.py, tests/test_logs.py
    F83 F84 F86  tests/test_security_wire.py
    F87          tests/test_security_fuzz.py
    F88          sign-in, as S06
    F90          tests/test_audit.py
"""

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.core.management.base import CommandError
from pytest_django import Settings

from config.checks import fit_for_the_public, problems, refuse_half_configured
from tests.processes import ROOT
from tests.test_settings import PRODUCTION, django


def test_the_table_above_names_every_line_of_the_checklist_and_only_files_that_are_there() -> None:
    table = __doc__ or ""
    named = {int(number) for number in re.findall(r"\bS(\d\d)\b", table)} | set(range(6, 11))
    assert named == set(range(1, 33))
    files = set(re.findall(r"tests/\w+\.py", table))
    assert [name for name in files if not (ROOT / name).is_file()] == []


@pytest.fixture
def production(settings: Settings) -> Settings:
    """Behind a proxy, in one process."""
    settings.DEBUG, settings.OWN_KEYS, settings.BEHIND_PROXY = False, True, True
    settings.DATABASE_URL, settings.REDIS_URL = "", ""
    settings.SECRET_KEY, settings.FIELD_KEYS = "k" * 50, [Fernet.generate_key().decode()]
    settings.ALLOWED_HOSTS, settings.ORIGINS = ["board.example"], ["https://board.example"]
    return settings


HALF: list[tuple[str, str, dict[str, Any]]] = [
    ("E001", "CALLBOARD_FIELD_KEYS", {"OWN_KEYS": False}),
    ("E002", "CALLBOARD_SECRET_KEY", {"SECRET_KEY": "short"}),
    ("E002", "CALLBOARD_SECRET_KEY", {"SECRET_KEY": "django-insecure-" + "k" * 50}),
    ("E003", "CALLBOARD_FIELD_KEYS", {"FIELD_KEYS": ["not a Fernet key"]}),
    ("E004", "CALLBOARD_DEBUG", {"DEBUG": True}),
    ("E005", "CALLBOARD_ALLOWED_HOSTS", {"ALLOWED_HOSTS": ["board.example", "*"]}),
    ("E006", "CALLBOARD_ALLOWED_HOSTS", {"ALLOWED_HOSTS": ["127.0.0.1", "localhost"]}),
    ("E007", "CALLBOARD_ORIGINS", {"ORIGINS": []}),
    ("E008", "CALLBOARD_ORIGINS", {"ORIGINS": ["http://board.example"]}),
    ("E009", "REDIS_URL", {"DATABASE_URL": "postgres://db/callboard"}),
    ("E010", "CALLBOARD_LOG_FORMAT", {"LOG_FORMAT": "xml"}),
    ("E011", "CALLBOARD_METRICS_TOKEN", {"METRICS_TOKEN": "short"}),
    ("E012", "CALLBOARD_SECOND_FACTOR", {"SECOND_FACTOR": "everybody"}),
]


def test_s02_a_whole_configuration_is_not_refused(production: Settings) -> None:
    assert list(problems("127.0.0.1")) == []
    refuse_half_configured("127.0.0.1")


@pytest.mark.parametrize(("number", "says", "wrong"), HALF)
def test_s02_each_half_of_a_configuration_is_refused_by_id_and_with_a_hint(
    production: Settings, number: str, says: str, wrong: dict[str, Any]
) -> None:
    for name, value in wrong.items():
        setattr(production, name, value)
    found = fit_for_the_public(None)
    assert [error.id for error in found] == [f"callboard.{number}"]
    assert found[0].hint
    with pytest.raises(CommandError, match=rf"{says}.*\(callboard.{number}\)"):
        refuse_half_configured("127.0.0.1")


def test_s02_ids_are_unique_and_each_has_its_case() -> None:
    ids = re.findall(r'id="callboard\.(E\d+)"', (ROOT / "config/checks.py").read_text())
    assert len(ids) == len(set(ids))
    assert set(ids) == {number for number, _says, _wrong in HALF}


def test_s08_a_second_factor_that_is_only_offered_is_a_warning_and_no_refusal(production: Settings) -> None:
    production.SECOND_FACTOR = "offered"
    found = fit_for_the_public(None)
    assert [(one.id, one.is_serious(checks.ERROR)) for one in found] == [("callboard.W001", False)]
    refuse_half_configured("127.0.0.1")


def test_s02_djangos_deployment_check_asks_ours_as_well() -> None:
    assert fit_for_the_public in checks.registry.registry.get_checks(include_deployment_checks=True)


@pytest.mark.processes
def test_s01_production_passes_the_deployment_check_and_bare_settings_do_not(tmp_path: Path) -> None:
    words = ("check", "--deploy", "--fail-level", "WARNING")
    assert django(tmp_path, *words, **PRODUCTION).returncode == 0
    bare = django(tmp_path, *words)
    assert bare.returncode != 0
    assert {"security.W004", "security.W008", "security.W012", "callboard.E001"} <= set(
        re.findall(r"(?:security|callboard)\.[WE]\d+", bare.stderr))


@pytest.mark.processes
def test_s02_serve_itself_refuses(tmp_path: Path) -> None:
    done = django(tmp_path, "serve", "--port", "0", **PRODUCTION | {"CALLBOARD_ORIGINS": ""})
    assert done.returncode != 0
    assert "(callboard.E007)" in done.stderr
    assert "Traceback" not in done.stderr
