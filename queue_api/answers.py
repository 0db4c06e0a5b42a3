"""Strict reading of what DeepCall answers. Errors come with HTTP 200, so only the body's `status` counts.

Anything that is not plainly a success or an error is an `OddAnswer`: for a takeover that means nobody knows.
"""

import json
from typing import Any, NoReturn

import msgspec

from queue_api.calls import NAME_LENGTH, as_id, find_rows

MESSAGE_LENGTH = 300
DEPTH = 64


class OddAnswer(ValueError):
    """The body is not an answer as documented; the text says in what way."""


class Outcome(msgspec.Struct, frozen=True):
    """`code`: digits as text, "" when none; `message`: the vendor's words, cleaned and cut."""

    success: bool
    code: str = ""
    message: str = ""


def read_answer(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises OddAnswer for anything else, duplicate keys and NaN included."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise OddAnswer("begins with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise OddAnswer("is not UTF-8") from error
    if _too_deep(text):
        raise OddAnswer("is nested too deep")
    try:
        answer = json.loads(
            text, parse_constant=_not_json, parse_float=_finite, object_pairs_hook=_no_duplicates)
    except OddAnswer:
        raise
    except (ValueError, RecursionError) as error:  # ValueError: also a number with more digits than Python reads
        raise OddAnswer("is empty" if not text.strip() else "is not JSON") from error
    if not isinstance(answer, dict):
        raise OddAnswer("is not a JSON object")
    return answer


def outcome_of(answer: dict[str, Any]) -> Outcome:
    """What a takeover's answer says. Raises OddAnswer unless `status` is exactly "success" or "error"."""
    status = answer.get("status")
    if status not in ("success", "error"):
        raise OddAnswer("has no usable status")
    return Outcome(success=status == "success", code=_code(answer.get("code")),
                   message=as_id(answer.get("message"), MESSAGE_LENGTH))


def list_outcome(answer: dict[str, Any]) -> Outcome:
    """As `outcome_of`, but rows without a status are a success: how a list reports one is not documented."""
    if "status" not in answer and find_rows(answer)[0] is not None:
        return Outcome(success=True)
    return outcome_of(answer)


def _code(value: object) -> str:
    text = as_id(value, NAME_LENGTH)
    return text if text.isascii() and text.isdigit() and len(text) <= 10 else ""


def _too_deep(text: str) -> bool:
    """Counts brackets, those in strings too: cheap, and a real answer has no 64 unclosed ones."""
    if text.count("[") + text.count("{") <= DEPTH:
        return False
    depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            if depth > DEPTH:
                return True
        elif character in "]}":
            depth -= 1
    return False


def _not_json(name: str) -> NoReturn:
    raise OddAnswer(f"has {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise OddAnswer("has a number that is too large")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    answer = dict(pairs)
    if len(answer) != len(pairs):
        raise OddAnswer("names a key twice")
    return answer
