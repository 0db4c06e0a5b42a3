"""The scan at the end of the suite: a canary is found wherever and however it is written, and is only named."""

import base64
import json
import logging
import subprocess
import sys
import urllib.parse
import zlib
from pathlib import Path

import pytest

from tests.canaries import DATABASE, FILE, LOG, PIECE, RECORD, Aviary, Needles, Place, look_through, spellings
from tests.canary_scan import Scan, kind_of
from tests.processes import ROOT, environment

VALUE = 'bird "of" prey & ünlike+others/7'
RAW = VALUE.encode()
PLAIN = "yellow-feathers-27"
SUITE = '''
import logging
from pathlib import Path
from django.contrib.auth.models import User
from django.test import Client
from tests.canaries import aviary

aviary.sow("the yellow one", {plain!r})

def test_in_a_log(): {log}
def test_in_an_answer(db, settings): {answer}
def test_in_a_file(tmp_path): {file}
def test_in_the_database(db): {database}
'''
QUIET = {"log": "pass", "answer": "Client().get('/accounts/login/')", "file": "pass",
         "database": "User.objects.create_user('sita', password='a-word-of-eight')"}
LOUD = {
    "log": f"logging.getLogger('callboard').warning('says %s', {PLAIN!r})",
    "answer": f"User.objects.create_superuser('dev'); Client().get('/accounts/login/?next=/{PLAIN}')",
    "file": f"(tmp_path / 'left.txt').write_text({base64.b64encode(b'x' + PLAIN.encode()).decode()!r})",
    "database": f"User.objects.create_user({PLAIN!r})",
}


def found_in(tmp_path: Path, data: bytes, value: str = PLAIN, *may: str, name: str = "left.txt") -> list[str]:
    (tmp_path / name).write_bytes(data)
    canaries = Aviary()
    canaries.sow("the yellow one", value, *may)
    place = Place(tmp_path / name, kind_of(name))
    return [f"{one.spelling} at {one.offset}" for one in look_through(place, Needles(canaries))]


@pytest.mark.parametrize(("how", "written"), [
    ("as it is", RAW),
    ("in JSON", json.dumps({"a": VALUE}).encode()),
    ("in an address", urllib.parse.quote(VALUE, safe="").encode()),
    ("in a form", urllib.parse.urlencode({"a": VALUE}).encode()),
    ("in HTML", b"<b>bird &quot;of&quot; prey &amp; \xc3\xbcnlike+others/7</b>"),
    ("in hex", RAW.hex().encode()),
    ("in hex", RAW.hex().upper().encode()),
    ("in base64", base64.b64encode(RAW)),
    ("in base64", base64.b64encode(b"a" + RAW + b"b")),
    ("in base64", base64.b64encode(b"ab" + RAW)),
    ("in base64", base64.urlsafe_b64encode(b"\xff\xff" + RAW)),
    ("as it is, compressed", base64.urlsafe_b64encode(zlib.compress(b"a session with " + RAW + b" in it"))),
])
def test_each_spelling_is_found(tmp_path: Path, how: str, written: bytes) -> None:
    (said,) = found_in(tmp_path, b"before " + written + b" after", VALUE)
    assert said.startswith(f"{how} at ")


def test_no_other_text_is_found(tmp_path: Path) -> None:
    alike = f"{PLAIN[:-1]} {PLAIN.upper()} eJnothingthatwascompressed"
    assert found_in(tmp_path, alike.encode()) == []


@pytest.mark.parametrize("offset", [0, 1, PIECE - 5, PIECE, 2 * PIECE - 1, 2 * PIECE + 7])
def test_a_large_file_is_read_in_pieces_and_each_is_found_once(tmp_path: Path, offset: int) -> None:
    data = bytearray(b"\0" * (2 * PIECE + 100))
    data[offset:offset + len(PLAIN)] = PLAIN.encode()
    assert found_in(tmp_path, bytes(data), name="callboard.sqlite3-wal") == [f"as it is at {offset}"]


def test_one_may_stand_where_it_is_said_and_nowhere_else(tmp_path: Path) -> None:
    assert found_in(tmp_path, PLAIN.encode(), PLAIN, DATABASE, name="test.sqlite3") == []
    assert found_in(tmp_path, PLAIN.encode(), PLAIN, DATABASE, name=f"heard.{RECORD}")
    assert found_in(tmp_path, PLAIN.encode(), PLAIN, DATABASE, name="serve-1.log")
    assert [kind_of(name) for name in ("a.sqlite3-wal", "serve-1.log", "heard.log", "x")] == [DATABASE, LOG, LOG, FILE]


def test_a_finding_names_the_canary_and_covers_it_and_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "serve-1.log").write_bytes(f"ssid={PLAIN} twice {PLAIN}\x1b[31m".encode())
    canaries = Aviary()
    canaries.sow("the yellow one", PLAIN)
    scan = Scan()
    scan.run(tmp_path, canaries)
    told = str(scan.findings[0])
    assert told.startswith("the yellow one (as it is) in log serve-1.log, byte 5, ")
    assert "ssid=••• twice •••·" in told
    assert PLAIN not in told
    assert "\x1b" not in told


def test_the_keys_of_a_server_are_canaries_that_only_their_own_files_hold(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "field_key").write_text("k" * 43 + "=\n")
    (tmp_path / "serve-1.log").write_text("started\n")
    scan = Scan()
    scan.run(tmp_path, Aviary())
    assert (scan.files, scan.findings) == (1, [])
    (tmp_path / "serve-1.log").write_text("key " + "k" * 43 + "=\n")
    scan.run(tmp_path, Aviary())
    assert [one.canary for one in scan.findings] == ["a field key of a server"]
    (tmp_path / "serve-1.log").unlink()  # the suite's own scan would find it, too


def test_what_is_too_short_to_be_looked_for_is_no_canary() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Aviary().sow("short", "1234567")
    assert len({text for _name, text in spellings(VALUE)}) == len(list(spellings(VALUE)))


def test_what_nobody_heard_is_said() -> None:
    scan = Scan()
    scan.heard.update({LOG: 3, DATABASE: 1})
    assert scan.missing() == ["answer", "output"]


def suite(tmp_path: Path, **loud: str) -> tuple[int, str]:
    """A run of pytest on its own, with four tests: its exit code, and all that it printed."""
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['tests.conftest']")
    (tmp_path / "test_planted.py").write_text(SUITE.format(plain=PLAIN, **QUIET | loud))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "run"), str(tmp_path / "test_planted.py")],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.processes
def test_a_suite_that_leaks_nothing_ends_well_and_says_what_was_looked_through(tmp_path: Path) -> None:
    code, said = suite(tmp_path)
    assert code == 0, said
    assert "canary scan: " in said
    assert "0 log lines" not in said
    assert said.rstrip().splitlines()[-1].startswith("4 passed")


@pytest.mark.processes
def test_a_suite_that_leaks_fails_with_every_place_and_test_by_name(tmp_path: Path) -> None:
    code, said = suite(tmp_path, **LOUD)
    assert code == 1, said
    assert PLAIN not in said.split("canary scan:")[1]
    assert "NOT clean" in said
    for kind, test in (("log", "in_a_log"), ("answer", "in_an_answer"), ("database", "in_the_database")):
        assert f"the yellow one (as it is) in {kind} heard.{kind}" in said, said
        assert f"test_{test}" in said
    assert "the yellow one (in base64) in file left.txt" in said
    assert "4 passed" in said.rstrip().splitlines()[-1], "the tests themselves did"


def test_a_line_of_the_log_is_heard_as_the_product_writes_it(caplog: pytest.LogCaptureFixture) -> None:
    """Redacted: were it not, the scan would fail for this very test."""
    logging.getLogger("callboard").warning("ssid=%s", "account-ssid")
    assert "account-ssid" in caplog.text, "pytest's own handler does not redact"
