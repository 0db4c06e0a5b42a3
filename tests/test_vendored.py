"""The files of other people that the browser gets: exactly the releases named in versions.json.

django-htmx bundles a beta of htmx 4 whose websocket extension has other event names and other close rules,
so a swapped file would not fail loudly; it would only stop reconnecting.
"""

import hashlib
import json
import re
from pathlib import Path

import pytest
from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "static" / "vendor"
TEMPLATES = Path(settings.BASE_DIR) / "templates"
LISTED: list[dict[str, str]] = json.loads((VENDOR / "versions.json").read_text())


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["path"])
def test_a_vendored_file_is_the_release_it_claims_to_be(entry: dict[str, str]) -> None:
    assert hashlib.sha256((VENDOR / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]


def test_htmx_says_the_listed_version_itself() -> None:
    listed = {entry["version"] for entry in LISTED if entry["package"] == "htmx.org"}
    said = re.search(r'\.version="([^"]+)"', (VENDOR / "htmx" / "htmx.min.js").read_text())
    assert said is not None
    assert listed == {said.group(1)}


def test_every_vendored_file_is_listed_and_has_its_licence_beside_it() -> None:
    files = {path for path in VENDOR.rglob("*") if path.is_file()} - {VENDOR / "versions.json"}
    assert {path for path in files if path.name != "LICENSE"} == {VENDOR / entry["path"] for entry in LISTED}
    assert {path.parent for path in files if path.name == "LICENSE"} == {path.parent for path in files}


def test_no_template_loads_the_bundled_htmx() -> None:
    texts = [path.read_text() for path in TEMPLATES.rglob("*.html")]
    assert any("vendor/htmx/htmx.min.js" in text for text in texts)
    assert not any("htmx_script" in text or "django_htmx/" in text for text in texts)
