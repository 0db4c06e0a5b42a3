"""`connect_account`: creates or updates an account from the command line and tries it once."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from queue_api.addresses import same_server
from queue_api.admin import test_connection
from queue_api.models import Account


class Command(BaseCommand):
    help = ("Creates or updates an account. Credentials come from the environment: DEEPCALL_SSID, and/or "
            "DEEPCALL_USER_ID and DEEPCALL_TOKEN. A running `serve` shows it within 10 seconds.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--base-url", required=True)
        parser.add_argument("--poll-interval", type=float)
        parser.add_argument("--time-zone")
        parser.add_argument("--line", help="whose phone rings for takeovers with the account's own session")
        parser.add_argument("--field-map", type=Path, help='JSON file: {"fields": {…}, "states": {…}}')

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(name=options["name"]).first() or Account(name=options["name"])
        created = account.pk is None
        if not created and not same_server(account.base_url, options["base_url"]):
            account.forget_secrets()
        account.base_url = options["base_url"]
        given = {"poll_interval_s": options["poll_interval"], "time_zone": options["time_zone"],
                 "line": options["line"]}
        for field, value in given.items():
            if value is not None:
                setattr(account, field, value)
        if options["field_map"]:
            account.field_names, account.state_words = read_field_map(options["field_map"])
        self._credentials(account)
        try:
            account.full_clean()
        except ValidationError as error:
            raise CommandError("\n".join(f"{field}: {' '.join(texts)}"
                                         for field, texts in error.message_dict.items())) from error
        account.save()
        self.stdout.write(f"Account “{account.name}” {'created' if created else 'updated'}.")
        _fine, sentence = test_connection(account)
        self.stdout.write(sentence)

    def _credentials(self, account: Account) -> None:
        """From the environment; what is not given stays as stored."""
        if ssid := os.environ.get("DEEPCALL_SSID"):
            account.set_ssid(ssid)
        if user_id := os.environ.get("DEEPCALL_USER_ID"):
            account.user_id = user_id
        if token := os.environ.get("DEEPCALL_TOKEN"):
            account.set_token(token)
        if not account.has_credentials():
            raise CommandError("No credentials: set DEEPCALL_SSID, or DEEPCALL_USER_ID and DEEPCALL_TOKEN.")


def read_field_map(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two tables of a field map file. Raises CommandError that says what is wrong with it."""
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise CommandError(f"--field-map: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"--field-map: {path} is not JSON: {error}") from error
    if not isinstance(content, dict) or set(content) - {"fields", "states"}:
        raise CommandError('--field-map: the file must be a JSON object with "fields" and/or "states".')
    return content.get("fields", {}), content.get("states", {})
