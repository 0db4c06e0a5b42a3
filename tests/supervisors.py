"""Somebody signed in at a running `serve` over plain HTTP: what their board shows, and what a click is answered."""

import http.client
import http.cookiejar
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NamedTuple, Self

from dashboard.management.commands.demo import PASSWORD
from tests.canaries import ANSWER, METRICS
from tests.canary_ears import heard
from tests.processes import until


class Told(NamedTuple):
    """The answer to a click: HTTP status, the cell's state and code, the notice's outcome, and all of it.

    The status is 0 without an answer at all: the server died meanwhile, or the tab was closed.
    """

    status: int
    cell: str = ""
    code: str = ""
    notice: str = ""
    html: str = ""
    retry_after: str = ""


class Supervisor:
    """Somebody signed in over HTTP."""

    def __init__(self, url: str, username: str) -> None:
        self.url, self.jar = url, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.get("/accounts/login/")
        self.post("/accounts/login/", username=username, password=PASSWORD)
        assert self.cookie("sessionid"), f"{username} could not sign in"

    def at(self, url: str) -> Self:
        """The same session at another process of the site."""
        other = object.__new__(type(self))
        other.url, other.jar, other.opener = url, self.jar, self.opener
        return other

    def cookie(self, name: str) -> str:
        return next((str(cookie.value) for cookie in self.jar if cookie.name.endswith(name)), "")

    def get(self, path: str) -> tuple[int, str]:
        return self._open(urllib.request.Request(f"{self.url}{path}"))[:2]

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        return self._open(self._request(path, fields))[:2]

    def row(self, call_id: str) -> str:
        """The call's row on a freshly loaded board; "" when it is not there."""
        rows = re.split(r'(?=<div role="row")', self.get("/")[1])
        return next((row for row in rows if f'data-call-id="{call_id}"' in row), "")

    def ref(self, call_id: str) -> str:
        """Our reference for a call, once it is on this board."""
        until(lambda: self.row(call_id), 15, f"{call_id} on the board")
        return attribute("data-call-ref", self.row(call_id))

    def take(self, call_id: str) -> Told:
        return self.click(attribute("data-call-ref", self.row(call_id)))

    def click(self, ref: str, key: str = "", patience_s: float = 30) -> Told:
        """`patience_s`: after so long without an answer the connection is closed, as with a tab."""
        request = self._request("/takeover/", {"call": ref, "key": key or secrets.token_hex(16)})
        try:
            status, html, retry_after = self._open(request, patience_s)
        except (OSError, http.client.HTTPException):
            return Told(0)
        return Told(status, attribute("data-takeover", html), attribute("data-code", html),
                    attribute("data-outcome", html), html, retry_after)

    def _request(self, path: str, fields: dict[str, str]) -> urllib.request.Request:
        body = urllib.parse.urlencode(fields).encode()
        return urllib.request.Request(f"{self.url}{path}", body, {"X-CSRFToken": self.cookie("csrftoken")})

    def _open(self, request: urllib.request.Request, patience_s: float = 30) -> tuple[int, str, str]:
        try:
            with self.opener.open(request, timeout=patience_s) as answer:
                return _read(answer)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error)


def _read(answer: Any) -> tuple[int, str, str]:
    text = answer.read().decode()
    heard(METRICS if answer.url.endswith("/metrics") else ANSWER, text)
    return answer.status, text, answer.headers.get("Retry-After", "")


def attribute(name: str, html: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', html)
    return found[1] if found else ""
