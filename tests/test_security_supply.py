"""S30, S32: what is installed is no older than a known hole's mending, pinned by hash, and the shortcuts are not taken.

An audit that reaches no list of holes says nothing and ends well, so the floors stand here, in the open.
"""

import ast
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.processes import ROOT

# The lowest release without a known hole in what we use of it, or the one whose insides the server leans on.
FLOORS = {
    "daphne": "4.2.3", "django": "5.2.19", "channels": "4.3.2", "channels-redis": "4.3.0", "twisted": "26.10.0",
    "autobahn": "26.10.2", "asgiref": "3.13.0", "httpx": "0.28.1", "h11": "0.16.0", "cryptography": "50.0.0",
    "pyopenssl": "26.4.0", "redis": "8.1.0", "certifi": "2026.1.1", "idna": "3.15", "msgspec": "0.22.0",
    "django-csp": "4.0", "psycopg": "3.3.0",
}
LISTS = [ROOT / "requirements" / name for name in ("base.txt", "cluster.txt", "dev.txt")]
PRODUCT = [path for folder in ("config", "dashboard", "queue_api") for path in (ROOT / folder).rglob("*.py")]
TEMPLATES = list((ROOT / "templates").rglob("*.html"))
PIN = re.compile(r"^([A-Za-z0-9_.\[\]-]+)==(\S+)")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:4])


def pinned(path: Path) -> dict[str, str]:
    found = [PIN.match(line) for line in path.read_text().splitlines()]
    return {match[1].split("[")[0].lower().replace("_", "-"): match[2] for match in found if match}


# ── versions ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_s30_no_package_is_older_than_its_floor(package: str, floor: str) -> None:
    assert numbers(version(package)) >= numbers(floor), "installed"
    listed = {path.name: pins[package] for path in LISTS if package in (pins := pinned(path))}
    assert listed, "pinned nowhere"
    assert {name: pin for name, pin in listed.items() if numbers(pin) < numbers(floor)} == {}


def test_s30_the_comparison_of_versions_can_fail() -> None:
    assert numbers("4.2.2") < numbers("4.2.3") < numbers("4.10") < numbers("26.10.0")
    assert pinned(LISTS[0])["django"] == version("django")


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_s30_every_pinned_package_has_hashes(path: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()))
    bare = [entry.split()[0] for entry in entries if PIN.match(entry) and "--hash=sha256:" not in entry]
    loose = [entry for entry in entries if entry.strip() and not PIN.match(entry)]
    assert (bare, loose) == ([], [])
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


# ── shortcuts ──────────────────────────────────────────────────────────────────────────────────────
MARKED_SAFE = {("dashboard/rows.py", "with_elapsed")}  # rendered and escaped by our own templates; digits are added


def calls(path: Path) -> list[tuple[str, str, ast.Call]]:
    """(function around it, what is called, the call)."""
    found = []
    for outer in ast.walk(ast.parse(path.read_text())):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [call for call in ast.walk(outer) if isinstance(call, ast.Call)]
            found += [(outer.name, ast.unparse(call.func), call) for call in inner]
    return found


def test_s30_text_is_marked_safe_in_one_place_alone() -> None:
    marked = {(str(path.relative_to(ROOT)), around) for path in PRODUCT for around, name, call in calls(path)
              if name.split(".")[-1] in ("mark_safe", "SafeString") and ast.unparse(call) != "SafeString('')"}
    assert marked == MARKED_SAFE


def test_s30_what_is_formatted_as_html_is_formatted_from_a_literal() -> None:
    bad = [(path.name, around) for path in PRODUCT for around, name, call in calls(path)
           if name.split(".")[-1] in ("format_html", "format_html_join")
           and not all(isinstance(part, ast.Constant) for part in call.args[:2 if name.endswith("join") else 1])]
    assert bad == []


@pytest.mark.parametrize("word", [
    r"csrf_exempt", r"verify\s*=\s*False", r"CERT_NONE", r"check_hostname\s*=\s*False", r"_create_unverified_context",
    r"\bpickle\b", r"yaml\.load", r"\beval\(", r"\bexec\(", r"shell\s*=\s*True", r"os\.system", r"\.extra\(", r"RawSQL",
    r"xframe_options_exempt", r"csp_exempt", r"trust_env\s*=\s*True", r"follow_redirects\s*=\s*True",
])
def test_s30_s32_a_protection_is_switched_off_nowhere(word: str) -> None:
    assert [path.name for path in PRODUCT if re.search(word, path.read_text())] == []


def test_s32_no_setting_and_no_field_of_an_account_switches_tls_checks_off() -> None:
    words = [*re.findall(r"CALLBOARD_[A-Z_]+", (ROOT / "config/settings.py").read_text()),
             *re.findall(r"(?m)^    (\w+) = models\.", (ROOT / "queue_api/models.py").read_text())]
    assert len(words) > 20
    assert [word for word in words if re.search("verify|insecure|tls|ssl|cert", word, re.IGNORECASE)] == []


@pytest.mark.parametrize("pattern", [
    r"\|\s*safe\b", r"\|\s*safeseq\b", r"autoescape\s+off", r"<script(?![^>]*\bsrc=)", r"<style\b",
    r"\son\w+\s*=\s*[\"']",
    r"\sstyle\s*=\s*[\"']", r"javascript:", r"hx-on", r"hx-vals=[\"']js:", r"(?:src|href)=[\"']https?:",
])
def test_s22_no_template_steps_out_of_escaping_or_of_the_policy(pattern: str) -> None:
    assert [path.name for path in TEMPLATES if re.search(pattern, path.read_text())] == []


SINKS = r"\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\(\s*[\"'`]|srcdoc"

SINK_PLACES = {("frames.js", ".innerHTML"), ("notices.js", "insertAdjacentHTML")}  # a frame's and a notice's, as sent


def test_s22_scripts_make_html_only_of_what_the_server_rendered() -> None:
    """The frames' HTML is rendered and escaped by the server; where it becomes elements is listed here."""
    places = {(path.name, found) for path in [*ROOT.glob("static/board/*.js"), *ROOT.glob("static/wall/*.js")]
              for found in re.findall(SINKS, path.read_text())}
    assert places == SINK_PLACES
