"""`serve` as the next deployment would be: of another version. `python -m tests.another_version serve --port …`."""

import os
import sys

VERSION = "feedfeedfeed"

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import dashboard.release

    dashboard.release.version = lambda: VERSION  # type: ignore[assignment]
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
