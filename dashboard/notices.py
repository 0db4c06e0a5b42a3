"""What one person is told of their own takeovers: the same notice with the answer and over the socket.

A notice belongs to an attempt (`key`) and grows with it (`rev`): the page keeps the newest of each, whichever way and
in whatever order they come. It survives the end of the row.
"""

import msgspec
from django.template.loader import get_template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from dashboard import words
from dashboard.access import Viewer
from dashboard.overlay import AttemptNews
from dashboard.rows import as_shown
from dashboard.takeover_states import CELLS
from queue_api.errors import CREDENTIAL_CODES, RENEWABLE_CODES

NUMBERED = frozenset({"refused", "busy", "unknown", "not-confirmed", "abandoned"})  # an administrator may be asked


class NoticeView(msgspec.Struct):
    """What `dashboard/_notice.html` shows. `at`: epoch ms.

    `number`: to name the attempt to an administrator; `attempt`: the same, when a verdict is asked for. `renew`: the
    person's own session must be entered (anew). `account`: whose settings the person could mend.
    """

    state: str
    at: int
    title: Promise | str = ""
    code: str = ""
    vendor_message: str = ""
    advice: Promise | str = ""
    caller: str = ""
    key: str = ""
    rev: int = 0
    number: int | None = None
    attempt: int | None = None
    renew: bool = False
    account: int | None = None


def called(digits: str) -> str:
    return f"•••• {digits}" if digits else ""


def notice_of(news: AttemptNews, viewer: Viewer) -> NoticeView:
    """An attempt's notice for the person behind it, in the active language."""
    credentials = news.state == "refused" and news.code in CREDENTIAL_CODES
    news = as_shown(news, viewer.audience)
    said = words.outcome(news)
    with_you = news.state == "confirmed" and viewer.is_agent(news.account, news.agent_id)
    return NoticeView(
        state=CELLS[news.state], at=news.changed, title=_("Now with you") if with_you else said.title,
        code=news.code if said.show_message else "",
        vendor_message=news.message if said.show_message else "",
        advice=said.advice, caller=called(news.caller_last4), key=news.key, rev=2 * news.version,
        number=news.id if news.state in NUMBERED else None,
        attempt=news.id if news.state == "abandoned" and not news.verdict else None,
        renew=(news.state == "refused" and news.own_session and news.code in RENEWABLE_CODES)
        or news.reason == "own-session",
        account=news.account if credentials and not news.own_session and viewer.sets_up else None,
    )


def notice_html(news: AttemptNews, viewer: Viewer) -> str:
    """The same as HTML, in the viewer's own language."""
    with translation.override(viewer.audience.language):
        return get_template("dashboard/_notice.html").render({"notice": notice_of(news, viewer)}).strip()
