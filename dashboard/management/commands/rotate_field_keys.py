"""`rotate_field_keys`: everything sealed goes under the first of CALLBOARD_FIELD_KEYS; the others can go."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.rotation import BATCH, SEALED, Count, Sealed, rotate

ROUNDS = 5  # a running process may write while this reads; it writes a board every few seconds at most


class Command(BaseCommand):
    help = ("Seals every stored secret and board anew under the first of CALLBOARD_FIELD_KEYS. Put the new key in "
            "front of the old ones, restart every process, run this, and then drop the old keys. May be run again at "
            "any time, and while Callboard is serving.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help=f"rows read at a time (default: {BATCH})")

    def handle(self, *args: Any, batch: int, **options: Any) -> None:
        if batch < 1:
            raise CommandError("--batch must be above zero.")
        last = [self._rotate(kind, batch) for kind in SEALED]
        if lost := [context for count in last for context in count.lost]:
            raise CommandError(
                "None of CALLBOARD_FIELD_KEYS opens: " + ", ".join(lost) + ". Add the key they were stored with, or "
                "enter the secrets again. Do not drop a key yet.")
        if any(count.renewed or count.moved for count in last):
            raise CommandError("Some rows were written all the while. Restart every process with the new key in front, "
                               "and run this again. Do not drop a key yet.")
        self.stdout.write("Everything is under the first key. The others may be dropped.")

    def _rotate(self, kind: Sealed, batch: int) -> Count:
        """Rounds until one finds nothing to do, which proves the one before; the last one's count. Says what was done.

        Somebody may have read a row before and saved the whole of it after it was renewed.
        """
        renewed, count = 0, rotate(kind, batch)
        for _round in range(ROUNDS):
            if not (count.renewed or count.moved):
                break
            renewed += count.renewed
            count = rotate(kind, batch)
        unreadable = f", {len(count.lost)} that no key opens" if count.lost else ""
        before = max(0, count.current - renewed)
        self.stdout.write(f"{kind.name}: {renewed} renewed, {before} under the first key before{unreadable}.")
        return count
