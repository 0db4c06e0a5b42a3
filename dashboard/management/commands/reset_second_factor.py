"""`reset_second_factor`: the way back in for who has lost phone and recovery codes, with nobody left to ask."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from dashboard import generation, second_factor, sign_ins
from dashboard.audit import Source
from dashboard.models import SignIn


class Command(BaseCommand):
    help = ("Switches off a person's second factor, and ends all their sign-ins: they sign in with the password alone "
            "and set up another. It is on record. Another administrator can do the same under Users.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        person = User.objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is nobody with the user name {username}.")
        if not second_factor.reset(person, "manage.py", Source()):
            raise CommandError(f"{username} has no second factor.")
        keys = sign_ins.end(SignIn.objects.filter(user=person), SignIn.Why.SECOND_FACTOR)
        sign_ins.tell_ended(person.pk, len(keys), SignIn.Why.SECOND_FACTOR)
        generation.bump(generation.CONFIG)  # running processes look at once, and close what has ended
        self.stdout.write(f"The second factor of {username} is off, and {len(keys)} of their browsers are signed out.")
