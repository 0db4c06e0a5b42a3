"""Strict reading of what DeepCall answers. Errors come with HTTP 200, so only the body's `status` counts.

Anything that is not plainly a success or an error is an `OddAnswer`: for a takeover that means nobody knows.
"""

import json
import re
from typing import Any, NoReturn

import msgspec

from queue_api.calls import NAME_LENGTH, as_id, find_rows

MESSAGE_LENGTH = 300
DEPTH = 64
NO_ROWS = "The answer has no list of rows."


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
    try:
        answer = json.loads(
            text, parse_constant=_not_json, parse_float=_finite, object_pairs_hook=_no_duplicates)
    except OddAnswer:
        raise
    except (ValueError, RecursionError) as error:  # ValueError: also a number with more digits than Python reads
        raise OddAnswer("is empty" if not text.strip() else "is not JSON") from error
    if not isinstance(answer, dict):
        raise OddAnswer("is not a JSON object")
    if _too_deep(answer):
        raise OddAnswer("is nested too deep")
    return answer


def outcome_of(answer: dict[str, Any]) -> Outcome:
    """What a takeover's answer says. Raises OddAnswer unless `status` is exactly "success" or "error".

    An error needs its code: without one, nobody can tell a refusal from a failure that may have acted (1009, 1010).
    """
    status, code = answer.get("status"), _code(answer.get("code"))
    if status not in ("success", "error"):
        raise OddAnswer("has no usable status")
    message = _words(answer.get("message"))
    if status == "error" and not code:
        raise OddAnswer(f"is an error without a usable code: {message}")
    return Outcome(success=status == "success", code=code, message=message)


def _words(value: object) -> str:
    """At most MESSAGE_LENGTH characters. A number is never cut: what is left of one could not be told and masked."""
    text, cut = as_id(value, MESSAGE_LENGTH), len(as_id(value, MESSAGE_LENGTH + 1)) > MESSAGE_LENGTH
    return re.sub(r"\+?\d[\d\W_]*$", "", text) if cut else text


def list_outcome(answer: dict[str, Any]) -> Outcome:
    """As `outcome_of`, but rows without status and code are a success: how a list reports one is not documented."""
    if "status" not in answer and "code" not in answer and find_rows(answer)[0] is not None:
        return Outcome(success=True)
    return outcome_of(answer)


def complaint_about(answer: dict[str, Any]) -> str:
    """Why this JSON object is not taken for a list, as a sentence; "" when it is, or when it is a plain refusal."""
    try:
        said = list_outcome(answer)
    except OddAnswer as error:
        return f"The answer {error}."
    return NO_ROWS if said.success and find_rows(answer)[0] is None else ""


def _code(value: object) -> str:
    text = as_id(value, NAME_LENGTH)
    return text if text.isascii() and text.isdigit() and len(text) <= 10 else ""


def _too_deep(answer: dict[str, Any]) -> bool:
    """Level by level over what was parsed: brackets inside a caller's name are no nesting."""
    level: list[Any] = [answer]
    for _ in range(DEPTH):
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)
                 if isinstance(child, dict | list)]
        if not level:
            return False
    return True


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
