"""What a person may do and see, as the record keeps it: role, numbers, seats. A change is one line of it."""

from typing import Any

import msgspec
from django.contrib.auth.models import User

from dashboard import audit
from dashboard.access import display_name
from dashboard.models import AuditEvent, Seat
from dashboard.roles import PREFETCHED, Numbers, Role, beside, numbers_of, role_of

CHANGED = "rights.changed"


class SeatRights(msgspec.Struct, frozen=True, omit_defaults=True):
    """`session`: when their own DeepCall session was stored; "" without one. The session itself is in no record."""

    all_queues: bool = False
    queues: tuple[str, ...] = ()
    agent: str = ""
    session: str = ""


class Rights(msgspec.Struct, frozen=True):
    """`beside`: rights that no role says. `seats`: by the account's name."""

    role: str = Role.NONE.value
    numbers: str = Numbers.MASKED.value
    owner: bool = False
    active: bool = False
    beside: tuple[str, ...] = ()
    seats: dict[str, SeatRights] = {}


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """Those of somebody's rights that differ from before, or from after. A seat that is not there is None."""

    role: str | None = None
    numbers: str | None = None
    owner: bool | None = None
    active: bool | None = None
    beside: tuple[str, ...] | None = None
    seats: dict[str, SeatRights | None] | None = None


NOBODY = Rights()


def rights_of(pk: int) -> Rights:
    """As the database has them now, whatever an object in memory says."""
    user = User.objects.prefetch_related(*PREFETCHED, "seats__account", "seats__queues").get(pk=pk)
    seats = {seat.account.name: _seat(seat) for seat in user.seats.all()}
    return Rights(role_of(user).value, numbers_of(user).value, user.is_superuser, user.is_active, beside(user), seats)


def _seat(seat: Seat) -> SeatRights:
    stored = seat.ssid_stored_at.isoformat(timespec="seconds") if seat.ssid_sealed and seat.ssid_stored_at else ""
    return SeatRights(seat.all_queues, tuple(sorted(queue.name for queue in seat.queues.all())), seat.agent_id, stored)


def difference(before: Rights, after: Rights) -> tuple[Part, Part]:
    changed = [name for name in Rights.__struct_fields__ if name != "seats"
               and getattr(before, name) != getattr(after, name)]
    old, new = ({name: getattr(one, name) for name in changed} for one in (before, after))
    accounts = sorted(before.seats.keys() | after.seats.keys())
    if moved := [name for name in accounts if before.seats.get(name) != after.seats.get(name)]:
        old["seats"], new["seats"] = ({name: one.seats.get(name) for name in moved} for one in (before, after))
    return Part(**old), Part(**new)


def record_change(user: User, before: Rights, after: Rights, actor: Any, source: audit.Source) -> AuditEvent | None:
    """The line for it, within the transaction of the change; None when nothing changed."""
    if before == after:
        return None
    old, new = difference(before, after)
    return audit.record(
        CHANGED, actor=display_name(actor), actor_id=actor.pk, **source.detail(), who=display_name(user),
        username=user.get_username(), who_id=user.pk, before=msgspec.to_builtins(old), after=msgspec.to_builtins(new))
