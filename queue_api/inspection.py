"""“Inspect live rows”: what the page shows of one answer, and the form that edits an account's tables beside it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from django import forms
from django.forms.boundfield import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queue_api.calls import FIELD_NAMES, STATE_WORDS, CallState, FieldMap, find_rows, word_key
from queue_api.client import Look
from queue_api.credentials import Unsealable, seal_bytes, unseal_bytes
from queue_api.inspect import Part, Reading, Row, Upstream, Word, structure
from queue_api.models import Account

KEPT_ROWS = 500
KEPT_BYTES = 1_000_000  # of the sealed answer in the form; Django takes forms up to 2.5 MB

LABELS: dict[str, Promise] = {
    "call_id": gettext_lazy("call id"), "caller": gettext_lazy("caller number"),
    "caller_name": gettext_lazy("caller name"), "agent_id": gettext_lazy("agent id"),
    "agent_name": gettext_lazy("agent name"), "queue_id": gettext_lazy("queue id"),
    "queue_name": gettext_lazy("queue name"), "kind": gettext_lazy("kind"),
    "called_number": gettext_lazy("called number"), "state": gettext_lazy("state"),
    "entered_at": gettext_lazy("entered at"), "answered_at": gettext_lazy("answered at"),
    "waiting": gettext_lazy("waiting"), "ringing": gettext_lazy("ringing"), "talking": gettext_lazy("talking"),
    "hold": gettext_lazy("on hold"), "unknown": gettext_lazy("unknown"),
}
HINTS: dict[str, Promise] = {
    "call_id": gettext_lazy("Needed to show a call. Without it a row needs a caller number and an agent id."),
    "agent_id": gettext_lazy("Needed for most takeovers."),
    "queue_id": gettext_lazy("Id or name is needed: people are given queues."),
    "state": gettext_lazy("Which word means what is set below."),
    "entered_at": gettext_lazy("When the caller came; waiting times count from it."),
    "answered_at": gettext_lazy("When an agent answered; talk times count from it."),
}


class Evidence(msgspec.Struct, frozen=True):
    """One answer as far as it is looked at. `rows` None: no list where we look, and `parts` says what there is."""

    asked_at: int
    received: int = 0
    rows: list[Any] | None = None
    declared_total: int | None = None
    complaint: str = ""
    parts: list[Part] = []


def evidence_of(look: Look, asked_at: int) -> Evidence:
    rows, total = find_rows(look.answer)
    if rows is None:
        return Evidence(asked_at, declared_total=total, complaint=look.complaint, parts=structure(look.answer))
    return Evidence(asked_at, len(rows), rows[:KEPT_ROWS], total, look.complaint)


def packed(evidence: Evidence, account: Account) -> str:
    """The answer sealed for the form, so that “Try” reads the same rows in any process; "" when it is too large."""
    text = json.dumps(msgspec.to_builtins(evidence))
    return "" if len(text) > 4 * KEPT_BYTES else _if_small(seal_bytes(text.encode(), _context(account)).decode())


def unpacked(text: str, account: Account) -> Evidence | None:
    """The answer out of the form; None when there is none that is ours."""
    try:
        return msgspec.convert(json.loads(unseal_bytes(text.encode(), _context(account))), Evidence)
    except (Unsealable, ValueError):
        return None


def _if_small(text: str) -> str:
    return text if len(text) <= KEPT_BYTES else ""


def _context(account: Account) -> str:
    return f"account:{account.uid}:inspected"


class TablesForm(forms.Form):
    """One line of text per field and state of ours; an empty one means the default, shown as its placeholder."""

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, names in FIELD_NAMES.items():
            self.fields[f"field-{field}"] = _line(names, account.field_names.get(field, ()), list="upstream-names")
        for state, words in STATE_WORDS.items():
            self.fields[f"word-{state}"] = _line(words, account.state_words.get(state.value, ()))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        taken: dict[str, str] = {}
        for state in STATE_WORDS:
            for word in cleaned.get(f"word-{state}") or ():
                if (other := taken.setdefault(word_key(word), state)) != state:
                    self.add_error(f"word-{state}", _("“%(word)s” is a word for “%(state)s” already.") % {
                        "word": word, "state": LABELS[other]})
        return cleaned

    def overrides(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """What was typed, as the account keeps it: (field names, state words). Only after validation."""
        typed = {name: given for name, given in self.cleaned_data.items() if given}
        return tuple({name.removeprefix(prefix): given for name, given in typed.items()  # type: ignore[return-value]
                      if name.startswith(prefix)} for prefix in ("field-", "word-"))

    def field_lines(self, reading: Reading | None) -> Iterator[dict[str, Any]]:
        for field in FIELD_NAMES:
            yield {"label": LABELS[field], "hint": HINTS.get(field, ""), "input": self[f"field-{field}"],
                   "found": reading.fields[field] if reading else None}

    def state_lines(self) -> Iterator[dict[str, BoundField | Promise]]:
        for state in STATE_WORDS:
            yield {"label": LABELS[state], "input": self[f"word-{state}"]}


class _Words(forms.CharField):
    """Text between commas -> a list of it, each once."""

    def clean(self, value: Any) -> Any:
        parts = [part.strip() for part in str(super().clean(value)).split(",")]
        return list(dict.fromkeys(part for part in parts if part))


def _line(default: tuple[str, ...], own: Any, **attributes: str) -> forms.Field:
    attrs = {"placeholder": ", ".join(default), "autocomplete": "off", "spellcheck": "false", **attributes}
    return _Words(required=False, max_length=1000, initial=", ".join(own), widget=forms.TextInput(attrs=attrs))


def map_of(form: TablesForm, account: Account) -> FieldMap:
    """The tables as typed, lines with an error apart; as stored when nothing was."""
    tables = form.overrides() if form.is_bound else (account.field_names, account.state_words)
    return FieldMap.with_overrides(*tables)


class Finding(msgspec.Struct, frozen=True):
    """One sentence about an answer; `level` is good, bad, warn or plain."""

    level: str
    text: str


def findings(evidence: Evidence, reading: Reading, tried: bool) -> Iterator[Finding]:
    """What an administrator should know of this answer, the worst first."""
    if tried:
        yield Finding("plain", _("This is a try: nothing is saved yet. Screens still use the tables saved before."))
    if evidence.complaint:
        yield Finding("bad", _("Callboard does not take this answer for a list: %(complaint)s") % {
            "complaint": evidence.complaint})
    if evidence.rows is None:
        return
    if not evidence.received:
        yield Finding("warn", _("The list is empty: no call is live. Ask again when there is one."))
        return
    yield _calls_found(reading)
    if reading.looked_at < evidence.received:
        yield Finding("plain", _("%(received)s rows came; this page looks at the first %(looked_at)s.") % {
            "received": evidence.received, "looked_at": reading.looked_at})
    if reading.duplicates:
        yield Finding("warn", _("%(count)s rows name a call that a row before them named: they are left out.") % {
            "count": reading.duplicates})
    if reading.unknown_words:
        yield Finding("warn", _("State words in no table: %(words)s. Their calls show as “unknown”.") % {
            "words": ", ".join(reading.unknown_words)})
    if evidence.declared_total is not None and evidence.declared_total > evidence.received:
        yield Finding("warn", _(
            "The list is incomplete: DeepCall declares %(total)s calls and sent %(received)s. Raise the limit in the "
            "account’s list request.") % {"total": evidence.declared_total, "received": evidence.received})


def _calls_found(reading: Reading) -> Finding:
    numbers = {"calls": reading.calls, "rows": reading.looked_at, "unusable": reading.unusable}
    if not reading.calls:
        return Finding("bad", _(
            "None of %(rows)s rows is read as a call, so screens show none. Say below which of DeepCall’s fields is "
            "the call id, then the others, and press Try.") % numbers)
    if reading.unusable:
        return Finding("warn", _(
            "%(calls)s of %(rows)s rows are read as calls; %(unusable)s have no identity and are left out.") % numbers)
    return Finding("good", _("%(calls)s of %(rows)s rows are read as calls.") % numbers)


def words_seen(reading: Reading) -> list[tuple[Word, Promise]]:
    return [(word, LABELS[word.state or CallState.UNKNOWN]) for word in reading.words]


def upstream_seen(reading: Reading) -> list[tuple[Upstream, list[Promise]]]:
    """Every upstream field with the labels of ours that name it; those nobody reads first."""
    lines = [(field, [LABELS[name] for name in field.ours]) for field in reading.upstream]
    return sorted(lines, key=lambda line: bool(line[1]))


def rows_seen(reading: Reading) -> Iterator[dict[str, Any]]:
    """Each shown row: its raw cells with the labels they are read as, and all fields of ours with what they got."""
    for row in reading.rows:
        yield {
            "row": row,
            "cells": [(cell, [LABELS[name] for name in cell.ours]) for cell in row.cells],
            "ours": [(LABELS[field], _value(row, field)) for field in FIELD_NAMES],
        }


def _value(row: Row, field: str) -> Promise | str:
    value = row.parsed.get(field, "")
    return LABELS[value] if field == "state" and value in LABELS else value
