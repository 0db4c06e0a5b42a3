"""Upstream rows -> typed calls, once, at the edge. Tolerant and table-driven: the row fields are not documented.

Each of our fields has a list of upstream names tried in order (`FieldMap`); an account can replace any list.
Nothing in a row can raise: what cannot be read is left out, what cannot be identified is counted.
"""

import enum
import math
import re
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec


class CallState(enum.StrEnum):
    WAITING = "waiting"
    RINGING = "ringing"
    TALKING = "talking"
    HOLD = "hold"
    UNKNOWN = "unknown"


FIELD_NAMES: dict[str, tuple[str, ...]] = {  # inferred from sibling endpoints; see docs on connecting an account
    "call_id": ("callId", "call_id", "callid", "id"),
    "caller": ("callernumber", "callerNumber", "cNumber", "caller_number", "customer_number"),
    "caller_name": ("callerName", "caller_name", "contactName", "name"),
    "agent_id": ("agentid", "agentId", "agent_id", "masterAgent"),
    "agent_name": ("agentName", "agent_name"),
    "queue_id": ("groupId", "group_id", "masterGroupId", "queueId"),
    "queue_name": ("groupName", "group_name", "queueName", "queue"),
    "kind": ("cType", "type", "direction"),
    "called_number": ("did", "DID"),
    "state": ("status", "state", "callStatus"),
    "entered_at": ("queueTime", "startTime", "ivrSTime", "created_at"),
    "answered_at": ("answerTime", "firstAnswerTime", "answered_at"),
}
STATE_WORDS: dict[CallState, tuple[str, ...]] = {
    CallState.WAITING: ("waiting", "queue", "queued", "inqueue"),
    CallState.RINGING: ("ringing", "ring", "dialing", "connecting"),
    CallState.TALKING: ("talking", "answered", "connected", "live", "active", "incall"),
    CallState.HOLD: ("hold", "onhold", "held"),
}
NAME_LENGTH, ID_LENGTH, NUMBER_LENGTH = 120, 128, 40
LENGTHS = {
    "call_id": ID_LENGTH, "caller": NUMBER_LENGTH, "caller_name": NAME_LENGTH, "agent_id": ID_LENGTH,
    "agent_name": NAME_LENGTH, "queue_id": ID_LENGTH, "queue_name": NAME_LENGTH, "kind": 20,
    "called_number": NUMBER_LENGTH, "state": NAME_LENGTH,
}
IDENTITIES = ("call_id", "caller", "agent_id")
TIMES = ("entered_at", "answered_at")
UNKNOWN_WORDS_KEPT = 20
EARLIEST_MS = 946_684_800_000  # 2000-01-01; anything before is a placeholder
AHEAD_MS = 86_400_000

# Control, bidirectional and zero-width characters: invisible, and able to make text read as something else.
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    r"\U000e0000-\U000e007f]")


class Call(msgspec.Struct, frozen=True):
    """One live call as DeepCall lists it. Empty text: not given. Times in epoch ms UTC, None: not known."""

    key: str  # identity inside the account: call id, else caller number + agent id
    call_id: str = ""
    caller: str = ""
    caller_name: str = ""
    agent_id: str = ""
    agent_name: str = ""
    queue_id: str = ""
    queue_name: str = ""
    kind: str = ""
    called_number: str = ""
    state: CallState = CallState.UNKNOWN
    entered_at: int | None = None
    answered_at: int | None = None

    @property
    def queue_key(self) -> str:
        """The queue's identity inside the account: its id, else its casefolded name, "" when neither is given."""
        return self.queue_id or self.queue_name.casefold()


class FieldMap(msgspec.Struct, frozen=True):
    """An account's dialect: names per field, and the state each word means (words as `word_key` folds them)."""

    names: dict[str, tuple[str, ...]]
    words: dict[str, CallState]

    @classmethod
    def default(cls) -> "FieldMap":
        return cls.with_overrides({}, {})

    @classmethod
    def with_overrides(cls, fields: Mapping[str, Any], states: Mapping[str, Any]) -> "FieldMap":
        """An override replaces the default list of that field or state; its words count before other states' defaults.

        Raises ValueError naming what is wrong.
        """
        _check_table(fields, list(FIELD_NAMES), "field")
        _check_table(states, [state.value for state in STATE_WORDS], "state")
        names = FIELD_NAMES | {field: tuple(given) for field, given in fields.items()}
        kept = {state: words for state, words in STATE_WORDS.items() if state.value not in states}
        own = {CallState(state): words for state, words in states.items()}
        words = {word_key(word): state for table in (kept, own) for state, words in table.items() for word in words}
        return cls(names=names, words=words)


class ParsedRows(msgspec.Struct, frozen=True):
    """`unusable`: rows without an identity; `duplicates`: rows whose key had come before (the first wins)."""

    calls: tuple[Call, ...]
    unusable: int
    duplicates: int
    unknown_words: frozenset[str]


def _check_table(table: Mapping[str, Any], known: list[str], what: str) -> None:
    """Raises ValueError unless `table` maps known names to lists of text."""
    if not isinstance(table, Mapping):
        raise ValueError(f"This must be a JSON object of {what}s, each with a list of upstream words.")
    for name, given in table.items():
        if name not in known:
            raise ValueError(f"“{name}” is no {what} of ours. Ours are: {', '.join(known)}.")
        if not isinstance(given, list | tuple) or not given or not all(isinstance(word, str) for word in given):
            raise ValueError(f'The names for “{name}” must be a list of text, for example ["msisdn"].')


def word_key(word: str) -> str:
    return re.sub(r"[\s_-]", "", word).casefold()


def parse_rows(rows: Sequence[Any], field_map: FieldMap, zone: str, now_ms: int) -> ParsedRows:
    """Calls out of the upstream's rows. `zone`: of times without one; `now_ms` judges what is plausible."""
    calls: dict[str, Call] = {}
    unusable = duplicates = 0
    unknown: set[str] = set()
    timezone = zoneinfo.ZoneInfo(zone)
    for row in rows:
        call = _parse_row(row, field_map, timezone, now_ms, unknown) if isinstance(row, dict) else None
        if call is None:
            unusable += 1
        elif call.key in calls:
            duplicates += 1
        else:
            calls[call.key] = call
    return ParsedRows(tuple(calls.values()), unusable, duplicates, frozenset(sorted(unknown)[:UNKNOWN_WORDS_KEPT]))


def find_rows(body: Mapping[str, Any]) -> tuple[list[Any] | None, int | None]:
    """The row list (None: nowhere) and the declared total (None: not declared), wherever the answer nests them."""
    for holder in _holders(body):
        for name in ("data", "response", "list", "calls", "rows"):
            rows = holder.get(name)
            if isinstance(rows, list):
                return rows, _declared_total(body)
    return None, _declared_total(body)


def _holders(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield body
    for name in ("data", "response"):
        inner = body.get(name)
        if isinstance(inner, dict):
            yield inner


def _declared_total(body: Mapping[str, Any]) -> int | None:
    for holder in _holders(body):
        for name in ("total", "count", "recordsTotal"):
            text = as_id(holder.get(name))
            if text.isascii() and text.isdigit() and len(text) < 10:
                return int(text)
    return None


def read_row(row: Mapping[Any, Any], field_map: FieldMap, zone: zoneinfo.ZoneInfo,
             now_ms: int) -> dict[str, tuple[str, Any]]:
    """Our field -> (the upstream name it was read from, its value); fields that no name brings are left out."""
    found: dict[str, tuple[str, Any]] = {}
    for field, names in field_map.names.items():
        for name in names:
            if name in row and (value := read_field(field, row[name], zone, now_ms)) not in ("", None):
                found[field] = name, value
                break
    return found


def read_field(field: str, value: object, zone: zoneinfo.ZoneInfo, now_ms: int) -> str | int | None:
    """One upstream value as one of our fields; "" or None when it cannot be read as that."""
    if field in TIMES:
        return as_time(value, zone, now_ms)
    length = LENGTHS[field]
    if field not in IDENTITIES:
        return as_id(value, length)
    text = as_id(value, length + 1)  # a cut id would name another call, so one that is too long is none
    return text if len(text) <= length else ""


def _parse_row(row: dict[Any, Any], field_map: FieldMap, zone: zoneinfo.ZoneInfo, now_ms: int,
               unknown: set[str]) -> Call | None:
    values = {field: value for field, (_name, value) in read_row(row, field_map, zone, now_ms).items()}
    call_id, caller, agent_id = (values.get(field, "") for field in IDENTITIES)
    key = call_id or (f"{caller}|{agent_id}" if caller and agent_id else "")
    if not key:
        return None
    has_agent = bool(agent_id or values.get("agent_name"))
    state = _state(values.pop("state", ""), has_agent, values.get("answered_at"), field_map, unknown)
    return Call(key=key, state=state, **values)


def _state(word: str, has_agent: bool, answered_at: int | None, field_map: FieldMap, unknown: set[str]) -> CallState:
    if word:
        state = field_map.words.get(word_key(word))
        if state is None:
            unknown.add(word)
        return state or CallState.UNKNOWN
    if not has_agent:
        return CallState.WAITING
    return CallState.TALKING if answered_at is not None else CallState.RINGING


def as_id(value: object, length: int = ID_LENGTH) -> str:
    """Text as we keep it: ids may come as strings or numbers; "" for anything that is neither."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
        if isinstance(value, float) and not math.isfinite(value):
            return ""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**length else ""
    return _INVISIBLE.sub("", value).strip()[:length].strip() if isinstance(value, str) else ""


def as_time(value: object, zone: zoneinfo.ZoneInfo, now_ms: int) -> int | None:
    """Epoch ms from any of the forms upstream uses; None for missing, placeholder or implausible ones."""
    if isinstance(value, str):
        value = _from_text(value.strip(), zone)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e17 < value < 1e17:
        return None  # NaN fails the comparison, too
    milliseconds = int(value if abs(value) >= 1e11 else value * 1000)
    return milliseconds if EARLIEST_MS <= milliseconds <= now_ms + AHEAD_MS else None


def _from_text(text: str, zone: zoneinfo.ZoneInfo) -> float | None:
    if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text[:40])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return moment.astimezone(UTC).timestamp() * 1000
    except (ValueError, OverflowError):
        return None
