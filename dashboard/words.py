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


def feed_trouble(board: Board | None, state: str, hop: str) -> Text:
    """What is wrong with a feed, and what an administrator can do. Empty when nothing is."""
    if state == "fresh":
        return _left_out(board)
    if hop == "poller":
        return _("Callboard’s poller is not running, so nothing new can be shown. An administrator should look "
                 "at the server.")
    if state == "never":
        return _("No list has come from DeepCall yet.")
    if state == "late":
        return _("DeepCall answers too slowly. What you see is old.")
    feed = board.feed if board else None
    if state == "incomplete" and feed and (feed.declared_total or 0) <= feed.received:
        return _left_out(board)
    if state == "incomplete" and feed:
        return _("DeepCall says it has %(total)s calls and sent %(received)s. No call is called ended meanwhile. "
                 "An administrator should raise the limit in the list request.") % {
                     "total": feed.declared_total, "received": feed.received}
    return _failure(feed) if feed else ""


def _left_out(board: Board | None) -> Text:
    """Rows that no screen can show are said, never silently dropped."""
    feed = board.feed if board else None
    if feed is None or not (feed.unusable or feed.duplicates):
        return ""
    return _("%(unusable)s rows have no usable identity and %(duplicates)s came twice: they are not shown. "
             "An administrator should check the field names.") % {
                 "unusable": feed.unusable, "duplicates": feed.duplicates}


def _failure(feed: Feed) -> Text:
    code = feed.code
    message = shown_text(feed.message, Audience()) if code else feed.message  # without a code the words are ours
    if feed.endpoint_down and not code:
        return _("DeepCall is not answering (%(message)s). An administrator should check the base URL and the "
                 "network.") % {"message": message.rstrip(".")}
    if not code:
        return _("There is no usable list: %(message)s An administrator should check the account’s base URL, "
                 "list path, credentials and field names.") % {"message": message}
    known = advice("list", code)
    return _("%(title)s (code %(code)s: %(message)s). %(advice)s") % {
        "title": known.title, "code": code, "message": message.rstrip("."), "advice": known.administrator}


def wall_trouble(board: Board | None, state: str, hop: str) -> Text:
    """The same in one line that is read from far away, and without DeepCall's own words: they may hold a number."""
    feed = board.feed if board else Feed()
    if state == "fresh":
        return _("%(count)s calls cannot be shown.") % {"count": feed.unusable} if feed.unusable else ""
    if hop == "poller":
        return _("Callboard’s poller is not running.")
    if state == "failing" and feed.code:
        return _("DeepCall gives no list (code %(code)s).") % {"code": feed.code}
    if state == "failing" and not feed.endpoint_down:
        return _("DeepCall gives no usable list.")
    return WALL_TROUBLE[state]


WALL_TROUBLE: dict[str, Text] = {
    "never": _("No list has come from DeepCall yet."),
    "late": _("DeepCall answers too slowly."),
    "failing": _("DeepCall is not answering."),
    "incomplete": _("DeepCall sends only part of its list."),
}
