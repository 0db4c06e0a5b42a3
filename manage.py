#!/usr/bin/env python
"""Callboard's command line: `serve`, `simulate`, `connect_account`, `verify_audit` and Django's own."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)
