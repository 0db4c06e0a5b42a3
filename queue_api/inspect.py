"""Explains how an answer was read: each upstream field beside what it fed. Pure; reads rows with `calls.read_row`.

    read(rows, field_map, zone, now_ms) -> Reading     the rows, what each of our fields found, words and what is unread
    structure(answer)                   -> [Part]      what stands where in an answer that has no list we know
"""

import json
import zoneinfo
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from queue_api.calls import FIELD_NAMES, TIMES, CallState, FieldMap, parse_rows, read_row, word_key

SHOWN_ROWS = 8
VALUE_LENGTH = 80
SAMPLES, SAMPLES_OF_OURS = 3, 2
PARTS = 40


class Cell(msgspec.Struct, frozen=True):
    """One field of a raw row. `ours`: the fields of ours that are read from this name, here or in another row.

    `use`: read; spare (an earlier name was read instead); empty; unreadable (as that field); unknown (nobody reads it).
    """

    name: str
    value: str
    use: str
    ours: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """A raw row beside its call. `verdict`: call; unnamed (no identity); again (its key came before); no-object."""

    number: int
    cells: tuple[Cell, ...]
    parsed: dict[str, str]
    verdict: str
    key: str = ""
    word: str = ""
    word_known: bool = True


class Found(msgspec.Struct, frozen=True):
    """What one of our fields found: the upstream names it was read from, and some of its values."""

    names: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()


class Upstream(msgspec.Struct, frozen=True):
    """One upstream field over all rows. `ours`: whose tables name it; `fed`: whether any row was read from it."""

    name: str
    samples: tuple[str, ...]
    ours: tuple[str, ...]
    fed: bool


class Word(msgspec.Struct, frozen=True):
    """A state word as it came, how many rows have it, and the state it means ("" when it is in no table)."""

    word: str
    rows: int
    state: str


class Reading(msgspec.Struct, frozen=True):
    """`fields` by our names; `upstream` in the order of first sight; `rows`: the first SHOWN_ROWS of `looked_at`."""

    looked_at: int
    calls: int
    unusable: int
    duplicates: int
    rows: tuple[Row, ...]
    fields: dict[str, Found]
    upstream: tuple[Upstream, ...]
    words: tuple[Word, ...]

    @property
    def unread(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.upstream if not field.ours)

    @property
    def unknown_words(self) -> tuple[str, ...]:
        return tuple(word.word for word in self.words if not word.state)


class Part(msgspec.Struct, frozen=True):
    """A place in an answer, as `data.items`: an object or a list of `size`, its first fields, or a plain value."""

    path: str
    kind: str  # object, list or value
    text: str
    size: int = 0


def read(rows: Sequence[Any], field_map: FieldMap, zone: str, now_ms: int) -> Reading:
    """How these rows are read under these tables."""
    timezone = zoneinfo.ZoneInfo(zone)
    parsed = parse_rows(rows, field_map, zone, now_ms)
    objects = [row for row in rows if isinstance(row, dict)]
    founds = [read_row(row, field_map, timezone, now_ms) for row in objects]
    words = Counter(found["state"][1] for found in founds if "state" in found)
    return Reading(
        looked_at=len(rows), calls=len(parsed.calls), unusable=parsed.unusable, duplicates=parsed.duplicates,
        rows=_rows(rows[:SHOWN_ROWS], field_map, zone, now_ms),
        fields={field: _found(field, founds, timezone) for field in FIELD_NAMES},
        upstream=_upstream(objects, field_map, {name for found in founds for name, _value in found.values()}),
        words=tuple(Word(word, count, _state(word, field_map)) for word, count in words.most_common()),
    )


def _rows(rows: Sequence[Any], field_map: FieldMap, zone: str, now_ms: int) -> tuple[Row, ...]:
    seen: set[str] = set()
    told = []
    for number, row in enumerate(rows, 1):
        one = _row(number, row, field_map, zone, now_ms)
        if one.key in seen:
            one = msgspec.structs.replace(one, verdict="again")
        seen |= {one.key} - {""}
        told.append(one)
    return tuple(told)


def _row(number: int, row: Any, field_map: FieldMap, zone: str, now_ms: int) -> Row:
    if not isinstance(row, dict):
        return Row(number, (Cell("", shown(row), "unknown"),), {}, "no-object")
    timezone = zoneinfo.ZoneInfo(zone)
    found = read_row(row, field_map, timezone, now_ms)
    parsed = {field: _ours_shown(field, value, timezone) for field, (_name, value) in found.items()}
    word = found["state"][1] if "state" in found else ""
    call = next(iter(parse_rows([row], field_map, zone, now_ms).calls), None)
    if call is not None:
        parsed["state"] = call.state.value
    return Row(number, cells_of(row, found, field_map), parsed, "call" if call else "unnamed", call.key if call else "",
               word, bool(_state(word, field_map)))


def cells_of(row: Mapping[str, Any], found: Mapping[str, tuple[str, Any]], field_map: FieldMap) -> tuple[Cell, ...]:
    """Every field of a raw row with what became of it; `found` is what `read_row` made of the row."""
    cells = []
    for name, value in row.items():
        fed = tuple(field for field, (source, _value) in found.items() if source == name)
        listed = fed or tuple(field for field, names in field_map.names.items() if name in names)
        cells.append(Cell(name, shown(value), _use(value, fed, listed, found), listed))
    return tuple(cells)


def _use(value: object, fed: Sequence[str], listed: Sequence[str], found: Mapping[str, Any]) -> str:
    if fed:
        return "read"
    if not listed:
        return "unknown"
    if value in (None, "", 0, "0") or str(value).startswith("0000-00-00"):
        return "empty"
    return "spare" if all(field in found for field in listed) else "unreadable"


def _found(field: str, founds: Sequence[Mapping[str, tuple[str, Any]]], zone: zoneinfo.ZoneInfo) -> Found:
    here = [found[field] for found in founds if field in found]
    names = dict.fromkeys(name for name, _value in here)
    values = dict.fromkeys(value for _name, value in here)
    return Found(tuple(names), tuple(_ours_shown(field, value, zone) for value in list(values)[:SAMPLES_OF_OURS]))


def _upstream(objects: Sequence[Mapping[str, Any]], field_map: FieldMap, fed: set[str]) -> tuple[Upstream, ...]:
    samples: dict[str, dict[str, None]] = {}
    for row in objects:
        for name, value in row.items():
            held = samples.setdefault(name, {})
            if len(held) < SAMPLES and value not in (None, ""):
                held[shown(value)] = None
    return tuple(
        Upstream(name, tuple(values), tuple(field for field, names in field_map.names.items() if name in names),
                 name in fed)
        for name, values in samples.items())


def _state(word: str, field_map: FieldMap) -> str:
    state = field_map.words.get(word_key(word)) if word else None
    return state.value if isinstance(state, CallState) else ""


def _ours_shown(field: str, value: Any, zone: zoneinfo.ZoneInfo) -> str:
    """A value of ours for reading; times in the account's zone."""
    if field in TIMES:
        return datetime.fromtimestamp(value / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
    return shown(value)


def shown(value: object) -> str:
    """A raw value as text, cut: what is not text as the JSON it came as."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.encode("utf-8", "replace").decode()  # half a character, as broken upstreams send, is no text
    return text if len(text) <= VALUE_LENGTH else f"{text[:VALUE_LENGTH]}…"


def structure(answer: Mapping[str, Any]) -> list[Part]:
    """What stands at the top of an answer and one level down, at most PARTS places."""
    parts = []
    for name, value in answer.items():
        parts.append(_part(name, value))
        if isinstance(value, dict):
            parts += [_part(f"{name}.{inner}", below) for inner, below in value.items()]
    return parts[:PARTS]


def _part(path: str, value: object) -> Part:
    if isinstance(value, dict):
        return Part(shown(path), "object", shown(", ".join(value)), len(value))
    if isinstance(value, list):
        names = ", ".join(value[0]) if value and isinstance(value[0], dict) else ""
        return Part(shown(path), "list", shown(names), len(value))
    return Part(shown(path), "value", shown(value))
