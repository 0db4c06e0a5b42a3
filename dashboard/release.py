"""Which version of the product runs here: a hash over what pages and server are made of, taken once at the start.

A wall compares it with that of its own page. No number that somebody must remember to raise: whatever is deployed
differs, and what does not differ needs no reload.
"""

import hashlib
from functools import cache
from pathlib import Path

from django.conf import settings

MADE_OF = (("static", ("*.js", "*.css", "*.svg", "*.woff2")), ("templates", ("*.html",)), ("dashboard", ("*.py",)),
           ("queue_api", ("*.py",)), ("config", ("*.py",)))


@cache
def version() -> str:
    """Twelve hexadecimal digits. `DashboardConfig.ready` asks first, so that it is that of the code that runs."""
    digest = hashlib.sha256()
    for path in _files(Path(settings.BASE_DIR)):
        digest.update(f"{path.relative_to(settings.BASE_DIR)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _files(base: Path) -> list[Path]:
    return sorted({path for folder, patterns in MADE_OF for pattern in patterns
                   for path in (base / folder).rglob(pattern)})
