"""Answers in the shape of the recorded one: compact JSON, HTTP 200 even for errors, Express's ETag."""

import base64
import hashlib
from email.utils import formatdate
from typing import Any

import msgspec

JSON = "application/json; charset=utf-8"

# As in the vendor's tables; the wording is recorded only for the takeover's 1000 and the queue section's own
# 1501 and 1502, the rest is inferred.
MESSAGES = {
    1000: "Invalid parameters",
    1001: "Invalid data type",
    1002: "userId is missing",
    1009: "Service temporarily unavailable",
    1010: "Database error",
    1014: "Token invalid or expired",
    1015: "Permission denied",
    1020: "Token is missing",
    1032: "Internal server error",
    1039: "Account suspended",
    1043: "Agent not logged in",
    1047: "Request body is empty or malformed",
    1501: "Data already in processing",
    1502: "Invalid filter value",
}
NOT_LIVE = "Live call not found or invalid"

# Recorded answer, but for Connection, which is the server's business.
RECORDED_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, PUT, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "session-token,Authorization,Origin,Accept,Content-Type,DNT,Authorization,Keep-Alive,User-Agent,"
        "X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Content-Range,Range"
    ),
    "Access-Control-Allow-Credentials": "true",
    "Vary": "Origin",
    "Strict-Transport-Security": "max-age=15724800; includeSubDomains",
    "Access-Control-Max-Age": "1728000",
}


class DeepCallError(Exception):
    """DeepCall says no: a documented code and the message beside it."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or MESSAGES[code]


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer. `code` is DeepCall's, None when there is none in it.

    With `stream_bytes`, `body` is only the start of so many bytes, sent without a length.
    """

    body: bytes
    code: int | str | None = None
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = {}
    stream_bytes: int = 0

    def header_list(self, date_s: float) -> list[tuple[bytes, bytes]]:
        """ASGI headers, dated `date_s` (epoch seconds), the recorded ones first."""
        headers = {
            "Date": formatdate(date_s, usegmt=True),
            "Content-Type": self.content_type,
            **RECORDED_HEADERS,
        }
        if not self.stream_bytes:
            headers |= {"Content-Length": str(len(self.body)), "ETag": etag(self.body)}
        headers |= self.headers
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def etag(body: bytes) -> str:
    """Express's weak ETag: length in hex, then 27 characters of base64(SHA-1)."""
    digest = hashlib.sha1(body, usedforsecurity=False).digest()
    return f'W/"{len(body):x}-{base64.b64encode(digest).decode()[:27]}"'


def json_answer(content: Any, *, code: int | str | None = None, status: int = 200) -> Answer:
    """`content` as compact JSON, keys in the order given."""
    return Answer(msgspec.json.encode(content), code=code, status=status)


def error_answer(code: int | str, message: str, *, status: int = 200) -> Answer:
    """The recorded shape of an application error."""
    return json_answer({"status": "error", "message": message, "code": code}, code=code, status=status)


def message_for(code: int | str) -> str:
    """The catalogue's message for a code; codes in no catalogue get a plain one."""
    return MESSAGES.get(code, "Something went wrong") if isinstance(code, int) else "Something went wrong"
