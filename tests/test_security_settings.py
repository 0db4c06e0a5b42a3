"""S01, S02: production settings pass, and half-configured ones do not start; each refusal by its id.

Where each line of the security checklist is tested. A test is named where its own name does not begin with the number:

    S01 S02  here
    S03      tests/test_security_headers.py, tests/test_security_wire.py
    S04      tests/test_security_headers.py; violations in Chromium: F79
    S05      tests/test_security_headers.py, tests/test_security_wire.py
    S06 S07  tests/test_sign_in.py; two processes: tests/test_sign_in_processes.py
    S08      tests/test_second_factor.py, tests/test_second_factor_views.py
    S09      tests/test_sign_in.py, tests/test_sign_ins.py
    S10      tests/test_socket_endings.py::test_who_lost_a_right_elsewhere_is_closed_in_every_process
             tests/test_sessions.py::test_signing_out_closes_the_sessions_sockets_here_and_in_other_processes
    S11      tests/test_security_wire.py (F83), tests/test_consumers.py::test_a_foreign_or_missing_origin_is_refused
    S12      tests/test_security_matrix.py, tests/test_masking_recorded.py
             tests/test_asking.py::test_fields_of_the_form_beside_call_and_key_change_nothing
    S13      tests/test_security_headers.py, tests/test_asking.py::test_nothing_but_a_post_acts
    S14      tests/test_asking.py::test_the_eleventh_click_in_a_minute_is_told_when_to_try_again
             tests/test_takeover_races.py::test_one_persons_limit_holds_across_processes
    S15      tests/test_wall.py::test_neither_code_nor_secret_is_in_the_database
             tests/test_wall.py::test_the_sweep_closes_what_was_revoked
    S16      tests/test_wall.py::test_the_secret_is_in_two_cookies_that_no_script_and_no_other_path_can_see
             tests/test_wall.py::test_after_five_wrong_codes_even_the_right_one_must_wait_ten_minutes
    S17      tests/test_wall.py::test_a_wall_cannot_take_a_call_over
             tests/test_wall.py::test_a_wall_has_no_verb_but_ack_and_resync
    S18      tests/test_security_keys.py
    S19      tests/test_security_keys.py, tests/test_admin_nonsense.py, tests/test_proof.py
    S20      tests/test_public_addresses.py (F77), tests/test_wire_faults.py (F12)
    S21      tests/canary_scan.py: over all that the suite wrote; tests/test_canary.py
             tests/test_canaries.py::test_a_suite_that_leaks_fails_with_every_place_and_test_by_name
    S22      tests/test_security_supply.py, tests/test_security_browser.py (F81)
    S23      tests/test_logs.py (F82)
             tests/test_canary.py::test_every_line_of_the_log_is_a_json_object_and_tells_of_the_day
    S24      tests/test_record_csv.py::test_what_a_spreadsheet_would_calculate_is_text
    S25      tests/test_append_only.py::test_a_statement_that_changes_a_line_is_refused
             tests/test_append_only.py::test_replacing_a_line_is_refused_with_and_without_recursive_triggers
             tests/test_record_postgres.py: TRUNCATE and REVOKE, too
    S26      tests/test_audit.py::test_two_lines_that_changed_places_are_found
             tests/test_append_only.py::test_a_thousand_random_edits_without_the_triggers_are_found
    S27      tests/test_redaction.py::test_of_a_phone_number_three_digits_are_left, tests/test_masking_recorded.py
             tests/test_revealing.py
    S28      tests/test_consumers.py, tests/test_socket_abuse.py, tests/test_socket_storms.py
             tests/test_wall.py::test_the_fourth_socket_of_one_wall_finds_no_room
    S29      tests/test_asking.py::test_what_cannot_be_written_down_is_not_sent
             tests/test_asking.py::test_a_list_that_is_too_old_is_not_acted_on
    S30      tests/test_security_supply.py, tests/test_vendored.py
    S31      tests/test_security_headers.py, tests/test_security_wire.py
    S32      tests/test_client.py::test_a_server_that_cannot_prove_who_it_is_gets_nothing_and_is_not_asked_again
             tests/test_security_supply.py
    F77      tests/test_public_addresses.py
    F79 F81  tests/test_security_browser.py
    F80 F82  tests/test_canary.py, tests/test_logs.py
    F83 F84  tests/test_security_wire.py; F86, too
    F87      tests/test_security_fuzz.py; the admin's forms: tests/test_admin_nonsense.py
    F88      tests/test_sign_in.py, tests/test_sign_in_processes.py
    F90      tests/test_append_only.py::test_a_thousand_random_edits_with_the_triggers_are_refused
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


def test_the_table_above_names_every_line_of_the_checklist_and_only_tests_that_are_there() -> None:
    table = __doc__ or ""
    assert {int(number) for number in re.findall(r"\bS(\d\d)\b", table)} == set(range(1, 33))
    files = set(re.findall(r"tests/\w+\.py", table))
    assert {name for name in files if not (ROOT / name).is_file()} == set()
    for name, test in re.findall(r"(tests/\w+\.py)::(\w+)", table):
        assert f"def {test}(" in (ROOT / name).read_text(), test


@pytest.mark.parametrize("number", range(1, 33))
def test_each_line_has_a_test_with_its_number_or_named_for_it(number: int) -> None:
    line = re.search(rf"^    (?:S\d\d )*S{number:02}.*(?:\n {{13}}.*)*", __doc__ or "", re.MULTILINE)
    assert line
    files = set(re.findall(r"tests/\w+\.py", line[0])) or {__file__}
    numbered = any(f"_s{number:02}_" in (ROOT / name).read_text() for name in files)
    assert numbered or re.search(r"\bF\d\d\b|::", line[0]) or files == set()


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
