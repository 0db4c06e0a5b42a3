"""Django's sessions in the database, with two lives: idle ones end after a while, all of them end in the end.

    expire_date of the row   the end as things stand: last sign of life + idle life, never past `ENDS`
    the cookie               lasts till `ENDS`, so that a browser that comes back too late can be told why
    sign of life             a request or a handshake (here, when the session is loaded), a watched board (the station)

Whoever asks for unexpired sessions, as Django and the sweep do, thereby obeys both.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.db import transaction
from django.utils import timezone

from dashboard import sign_ins
from dashboard.sign_ins import ENDS


class SessionStore(db.SessionStore):
    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()  # type: ignore[attr-defined]  # Django's own, without a stub
        if row is None:
            return {}
        data: dict[str, Any] = self.decode(row.session_data)
        if ENDS in data and _until(data) - row.expire_date > timedelta(seconds=sign_ins.RENEW_S):
            sign_ins.seen([row.session_key])
        return data

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and sign_ins.plausible(key))

    def cycle_key(self) -> None:
        """As when one's own password is changed: the same sign-in under another key."""
        old = self.session_key
        with transaction.atomic():
            super().cycle_key()
            if old and ENDS in self:
                sign_ins.moved(old, str(self.session_key))

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        return _until(self)

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        await self.aget(ENDS)  # it is read now, and then at hand
        return _until(self)

    def get_expiry_age(self, **kwargs: Any) -> int:
        """The cookie's."""
        left = self.get(ENDS, timezone.now().timestamp() + settings.SESSION_COOKIE_AGE) - timezone.now().timestamp()
        return max(0, int(left))


def _until(data: Any) -> datetime:
    idle = timezone.now() + timedelta(seconds=settings.SESSION_IDLE_S)
    return min(idle, datetime.fromtimestamp(data[ENDS], UTC)) if ENDS in data else idle
