"""What is said about takeovers and feeds. One place, translatable; the vendor's own words stand beside ours."""

from collections.abc import Callable

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.access import Audience, shown_text
from dashboard.board import Board, Feed
from dashboard.overlay import AttemptNews
from queue_api.errors import CREDENTIAL_CODES, RENEWABLE_CODES, advice

Text = Promise | str


class Said(msgspec.Struct, frozen=True):
    title: Text
    advice: Text = ""
    show_message: bool = True  # whether the message is the vendor's (or worth showing as it is)


NOT_SENT: dict[str, Text] = {
    "call-gone": _("DeepCall’s newest list no longer has this call. Nothing was sent."),
    "old-board": _("The list is too old to act on. Nothing was sent; wait for a fresh one."),
    "no-connection": _("DeepCall could not be reached. Nothing was sent; you can try again."),
    "set-up": _("The account’s settings do not allow it. Nothing was sent; tell an administrator."),
    "own-session": _("Here a takeover needs your own DeepCall session. Nothing was sent; enter yours first."),
    "interrupted": _("The server stopped before asking. Nothing was sent; you can try again."),
}
OUTCOMES: dict[str, Said] = {
    "ended": Said(_("Call ended"), _("It left the list before the outcome was known."), True),
    "not-confirmed": Said(_("Not confirmed"), _("DeepCall’s lists still show the old agent. You can try again."), True),
}
_ASKED = _("asking DeepCall")
_LOOK = _("The agent on the row shows whether it moved.")
_LOOKED = _("No list has shown a move so far. Ask the agent before you try again.")
_NOT_KNOWN = _("It may have moved; Callboard looks for it in the next lists. Do not assume either way.")
_NEVER_KNOWN = _("DeepCall gave no usable answer and its lists did not tell. Ask the agent whether the call moved.")
_JUDGED = {"moved": _("It moved, says %(name)s."), "not-moved": _("It did not move, says %(name)s.")}


def outcome(news: AttemptNews) -> Said:
    """Title and advice for an attempt's state; never more certain than what is known. In the active language."""
    if news.state in OUTCOMES:
        return OUTCOMES[news.state]
    return _SAID[news.state](news)


def _pending(news: AttemptNews) -> Said:
    return Said(_("%(name)s is taking over") % {"name": news.actor_name}, _ASKED, False)


def _accepted(news: AttemptNews) -> Said:
    return Said(_("Accepted by DeepCall"), _LOOK if news.is_open else _LOOKED)


def _confirmed(news: AttemptNews) -> Said:
    return Said(_("Now with %(agent)s") % {"agent": news.agent}, "", False)


def _refused(news: AttemptNews) -> Said:
    title = _("Busy") if news.state == "busy" else _("Refused")
    if news.wait_until is not None:
        seconds = max(1, (news.wait_until - news.changed + 999) // 1000)
        return Said(title, _("DeepCall asks for a pause of %(wait)s s before the next takeover.") % {"wait": seconds})
    return Said(title, whose_credentials(news) or (advice("takeover", news.code).supervisor if news.code else ""))


def _not_sent(news: AttemptNews) -> Said:
    return Said(_("Not sent"), NOT_SENT.get(news.reason, ""), news.reason in ("set-up", "no-connection"))


def _unknown(news: AttemptNews) -> Said:
    return Said(_("Outcome not known"), _NOT_KNOWN)


def _abandoned(news: AttemptNews) -> Said:
    if news.verdict:
        return Said(_("Never known"), _JUDGED[news.verdict] % {"name": news.verdict_by}, False)
    return Said(_("Never known"), _NEVER_KNOWN)


_SAID: dict[str, Callable[[AttemptNews], Said]] = {
    "intent": _pending, "sent": _pending, "accepted": _accepted, "confirmed": _confirmed, "refused": _refused,
    "busy": _refused, "not-sent": _not_sent, "unknown": _unknown, "abandoned": _abandoned,
}


def whose_credentials(news: AttemptNews) -> Text:
    """Whose credentials DeepCall refused and who can mend it; empty when it refused something else."""
    if news.state != "refused" or news.code not in CREDENTIAL_CODES:
        return ""
    known = advice("takeover", news.code)
    if not news.own_session:
        return _("DeepCall refused the account’s credentials, not %(name)s’s. An administrator mends it under "
                 "Accounts.") % {"name": news.actor_name}
    if news.code in RENEWABLE_CODES:
        return _("DeepCall refused %(name)s’s own session, not the account’s. It must be renewed.") % {
            "name": news.actor_name}
    return _("%(advice)s It is about %(name)s’s own session, not the account’s.") % {
        "advice": known.supervisor, "name": news.actor_name}


HEALTH: dict[str, Text] = {
    "fresh": _("fresh"), "late": _("late"), "failing": _("failing"), "incomplete": _("incomplete"),
    "never": _("no list yet"),
}


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong with a feed: a title that “since 10:42” can follow, a detail, and what an administrator can do."""

    title: Text = ""
    detail: Text = ""
    advice: Text = ""

    def __bool__(self) -> bool:
        return bool(self.title)

    def __str__(self) -> str:
        if not self.title:
            return ""
        told = f"{self.title} ({self.detail})." if self.detail else f"{self.title}."
        return f"{told} {self.advice}".rstrip()


POLLER_SILENT = Trouble(
    _("Callboard’s poller has not been heard"), "", _("Nothing new can be shown. An administrator should look at the "
                                                     "server."))
NO_LIST_YET = Trouble(_("No list has come from DeepCall yet"))
LATE = Trouble(_("DeepCall has sent no list"), "", _("It answers too slowly."))


def feed_trouble(board: Board | None, state: str, hop: str) -> Trouble:
    """What is wrong with a feed, and what an administrator can do. Empty when nothing is."""
    feed = board.feed if board else None
    if state == "fresh":
        return _left_out(feed)
    if hop == "poller":
        return POLLER_SILENT
    if state == "never":
        return NO_LIST_YET
    if state == "late":
        return LATE
    if feed is None:
        return Trouble()
    if state == "incomplete":
        return _incomplete(feed)
    return _failure(feed)


def _left_out(feed: Feed | None) -> Trouble:
    """Rows that no screen can show are said, never silently dropped."""
    if feed is None or not (feed.unusable or feed.duplicates):
        return Trouble()
    title = _("%(unusable)s rows have no usable identity and %(duplicates)s came twice: they are not shown")
    return Trouble(title % {"unusable": feed.unusable, "duplicates": feed.duplicates}, "",
                   _("An administrator should check the field names."))


def _incomplete(feed: Feed) -> Trouble:
    if (feed.declared_total or 0) <= feed.received:
        return _left_out(feed)
    return Trouble(_("DeepCall says it has %(total)s calls and sent %(received)s") % {
        "total": feed.declared_total, "received": feed.received}, "", _(
            "No call is called ended meanwhile. An administrator should raise the limit in the list request."))


def _failure(feed: Feed) -> Trouble:
    code = feed.code
    message = (shown_text(feed.message, Audience()) if code else feed.message).rstrip(".")  # without a code it is ours
    if feed.endpoint_down and not code:
        return Trouble(_("DeepCall is not answering"), message, _(
            "An administrator should check the base URL and the network."))
    if not code:
        return Trouble(_("There is no usable list"), message, _(
            "An administrator should check the account’s base URL, list path, credentials and field names."))
    known = advice("list", code)
    detail = _("code %(code)s: %(message)s") % {"code": shown_text(code, Audience()), "message": message}
    return Trouble(known.title, detail, known.administrator)


def wall_trouble(board: Board | None, state: str, hop: str) -> Trouble:
    """The same in one line that is read from far away, and without DeepCall's own words: they may hold a number."""
    feed = board.feed if board else Feed()
    if state == "fresh":
        return Trouble(_("%(count)s calls cannot be shown") % {"count": feed.unusable}) if feed.unusable else Trouble()
    if hop == "poller":
        return Trouble(POLLER_SILENT.title)
    if state == "failing" and feed.code:
        return Trouble(_("DeepCall gives no list"), _("code %(code)s") % {"code": feed.code})
    if state == "failing" and not feed.endpoint_down:
        return Trouble(_("DeepCall gives no usable list"))
    return WALL_TROUBLE[state]


WALL_TROUBLE: dict[str, Trouble] = {
    "never": NO_LIST_YET,
    "late": Trouble(LATE.title),
    "failing": Trouble(_("DeepCall is not answering")),
    "incomplete": Trouble(_("DeepCall sends only part of its list")),
}
