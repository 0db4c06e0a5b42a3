"""A change of somebody's rights in words, for the record."""

from collections.abc import Iterator

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.rights import Part, SeatRights
from dashboard.roles import Numbers, Role

NAMED = 8  # queues; the line itself has all of them
LABELS: dict[str, Promise] = {
    "role": gettext_lazy("role"), "numbers": gettext_lazy("caller numbers"), "owner": gettext_lazy("owner"),
    "active": gettext_lazy("may sign in"), "beside": gettext_lazy("rights beside the role")}
WORDS: dict[object, Promise] = {
    **dict(Role.choices), **dict(Numbers.choices), True: gettext_lazy("yes"), False: gettext_lazy("no")}


def changes(before: Part, after: Part) -> Iterator[str]:
    """One part per right: what it is about, as it was → as it is."""
    for name, label in LABELS.items():
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and new is not None:
            yield _("%(what)s: %(before)s → %(after)s") % {"what": label, "before": _word(old), "after": _word(new)}
    old_seats, new_seats = before.seats or {}, after.seats or {}
    for account in sorted(old_seats.keys() | new_seats.keys()):
        yield _("%(what)s: %(before)s → %(after)s") % {
            "what": account, "before": seat_words(old_seats.get(account)), "after": seat_words(new_seats.get(account))}


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or _("none")
    return str(WORDS.get(value, value))


def seat_words(seat: SeatRights | None) -> str:
    if seat is None:
        return _("no seat")
    parts = [_("all queues") if seat.all_queues else queue_words(seat.queues)]
    if seat.agent:
        parts.append(_("agent %(agent)s") % {"agent": seat.agent})
    if seat.session:
        parts.append(_("own session of %(at)s") % {"at": seat.session.removesuffix("+00:00").replace("T", " ")})
    return ", ".join(parts)


def queue_words(names: tuple[str, ...]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names) or _("no queues")
    return _("%(names)s and %(count)s more") % {
        "names": ", ".join(names[:NAMED]), "count": len(names) - NAMED}
