"""Ending sign-ins with all that hangs on them: the sessions, their sockets in every process, a line in the log."""

from django.db.models import QuerySet

from dashboard import sign_ins
from dashboard.models import SignIn
from dashboard.station import station


def sign_out(person: int, which: QuerySet[SignIn], why: SignIn.Why, by: int | None = None) -> int:
    """Ends these sign-ins of a person; how many there were. `by`: who did it, when it was somebody else."""
    keys = sign_ins.end(which, why)
    for key in keys:
        station.signed_out(key)
    sign_ins.tell_ended(person, len(keys), why, by=by)
    return len(keys)
