"""How a wall does, in the words of the administrator's list."""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from dashboard.models import Display

SILENT = timedelta(seconds=45)  # three sweeps: what is connected is noted every 15 s


def state_of(display: Display, now: datetime) -> str:
    if display.revoked_at is not None:
        return _("revoked")
    if display.expires_at is not None and display.expires_at <= now:
        return _("expired")
    if display.token_hash is None:
        return _("waits for its link to be opened") if display.link_hash else _("not paired")
    if display.last_seen_at is None:
        return _("never seen")
    return _("connected") if now - display.last_seen_at < SILENT else _("silent")


def data_age(display: Display) -> str:
    """How old the oldest of its lists was when the screen was last in touch: "–" when nobody knows."""
    if display.data_at is None or display.last_seen_at is None:
        return "–"
    seconds = max(0, round((display.last_seen_at - display.data_at).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
