"""The record in words, for the admin and its CSV. A line's `detail` becomes typed values here, once."""

from typing import Any

import msgspec
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.rights import CHANGED, Part
from dashboard.rights_words import changes
from dashboard.words import NOT_SENT
from queue_api.errors import advice

Text = Promise | str


class OneTry(msgspec.Struct, frozen=True):
    """As `takeover.settle` writes it: `code` "" for a plain success."""

    code: str = ""
    message: str = ""
    ms: int = 0


class Told(msgspec.Struct, frozen=True):
    """What a line may tell beside its columns."""

    code: str = ""
    message: str = ""
    reason: str = ""
    address: str | None = None
    session: str = ""
    caller_last4: str = ""
    by: str = ""
    person: str = ""
    verdict: str = ""
    tries: tuple[OneTry, ...] = ()
    who: str = ""
    before: Part = Part()
    after: Part = Part()


KINDS: dict[str, Text] = {
    **{f"takeover.{state.value}": format_lazy(gettext_lazy("Takeover: {state}"), state=state.label)
       for state in TakeoverAttempt.State},
    "takeover.late-answer": gettext_lazy("Takeover: an answer after its outcome was written"),
    "takeover.judged": gettext_lazy("Takeover: a person’s verdict"),
    "takeover.denied": gettext_lazy("Takeover: not allowed, nothing sent"),
    "number.revealed": gettext_lazy("Whole number shown"),
    "number.denied": gettext_lazy("Whole number: not allowed, not shown"),
    "session.stored": gettext_lazy("Own DeepCall session stored"),
    "session.removed": gettext_lazy("Own DeepCall session removed"),
    CHANGED: gettext_lazy("Rights changed"),
    "second-factor.set": gettext_lazy("Second factor switched on"),
    "second-factor.removed": gettext_lazy("Second factor removed"),
    "second-factor.reset": gettext_lazy("Second factor reset for somebody else"),
    "recovery-codes.set": gettext_lazy("New recovery codes made"),
    "recovery-code.used": gettext_lazy("Recovery code used"),
}
VERDICTS = dict(TakeoverAttempt.Verdict.choices)


def told(detail: Any) -> Told:
    """Nothing for a detail that is none of ours: the page that shows an edited line must open, too."""
    try:
        return msgspec.convert(detail, Told)
    except msgspec.ValidationError:
        return Told()


def what_happened(event: AuditEvent) -> str:
    label = str(KINDS.get(event.kind, event.kind))
    line = told(event.detail)
    if event.kind == CHANGED:
        return _("Rights of %(name)s changed: %(changes)s") % {
            "name": line.who, "changes": "; ".join(changes(line.before, line.after))}
    more = judged(line.verdict, line.by) if line.verdict else line.person
    return f"{label}: {more}" if more else label


def judged(verdict: str, by: str) -> str:
    return _("%(verdict)s, says %(name)s") % {"verdict": VERDICTS.get(verdict, verdict), "name": by}


def caller(last4: str) -> str:
    return f"•••• {last4}" if last4 else ""


def where(address: str | None, session: str) -> str:
    parts = (address or "", _("browser %(mark)s") % {"mark": session} if session else "")
    return ", ".join(part for part in parts if part)


def counted(tries: tuple[OneTry, ...]) -> str:
    return in_seconds(len(tries), sum(one.ms for one in tries) / 1000) if tries else ""


def in_seconds(tries: int, seconds: float) -> str:
    return ngettext("%(count)s try, %(seconds)s s", "%(count)s tries, %(seconds)s s", tries) % {
        "count": tries, "seconds": f"{seconds:.1f}"}


def listed(tries: tuple[OneTry, ...]) -> SafeString:
    """Every try on a line of its own: code, DeepCall's words, how long it took."""
    lines = ((one.code or _("no code"), one.message, one.ms) for one in tries)
    items = format_html_join("", "<li><b>{}</b> {} <i>({} ms)</i></li>", lines)
    return format_html("<ol>{}</ol>", items) if items else SafeString("")


def why_not_sent(reason: str) -> str:
    return str(NOT_SENT.get(reason, reason))


def for_administrator(code: str) -> str:
    """What the code means and what an administrator can do about it; "" without one."""
    if not code:
        return ""
    known = advice("takeover", code)
    return f"{known.title}: {known.administrator}"
