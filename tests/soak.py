"""`make soak`: real processes under load and faults, and whether every screen is right whenever it is calm.

    python -m tests.soak --seconds 60 [--seed N]

Generator, nemesis and checker: `tests/soak_run.py`. Writes var/soak/history-….jsonl; ends with 0 when nothing was
different, with 1 and the reasons when something was.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="of load and faults (default 60)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what happens when (default: the time)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callboard-soak-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "CALLBOARD_DATA_DIR": folder}
        import django

        django.setup()
        from tests.soak_run import soak  # needs Django's models

        return soak(Path(folder), given.seconds, given.seed)


if __name__ == "__main__":
    sys.exit(main())
