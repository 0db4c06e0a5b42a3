"""`verify_audit`: reads the takeover record once and names every edit, gap or reordering."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from dashboard import audit
from dashboard.models import AuditEvent


class Command(BaseCommand):
    help = "Checks the takeover record for edits, gaps and reordering. Exit code 1 when something is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(audit.problems())
        for sentence in found:
            self.stderr.write(sentence)
        head = AuditEvent.objects.order_by("seq").last()
        self.stdout.write(f"{head.seq if head else 0} lines, head {head.hash if head else '-'}: "
                          f"{'NOT in order' if found else 'in order'}")
        sys.exit(1 if found else 0)
