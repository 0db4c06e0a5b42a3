"""`verify_audit`: reads the takeover record once and names every edit, gap or reordering."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from dashboard import audit
from dashboard.models import AuditEvent


class Command(BaseCommand):
    help = "Checks the takeover record for edits, gaps and reordering. Exit code 1 when something is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(audit.problems())
        for sentence in found:
            self.stderr.write(sentence)
        self.stdout.write(f"{_head()}: {'NOT in order' if found else 'in order'}")
        sys.exit(1 if found else 0)


def _head() -> str:
    try:
        seq, line_hash = AuditEvent.objects.order_by("seq").values_list("seq", "hash").last() or (0, "-")
    except DatabaseError:
        return "head unreadable"
    return f"{seq} lines, head {line_hash}"
