"""Everything that can go wrong between us and DeepCall, and what to do about each code.

    QueueApiError
    ├── RequestInvalid     refused before sending; names what is missing
    ├── NotSent            proven that no request reached DeepCall
    │   └── Untrusted      TLS or address rule; never tried again
    ├── Refused            DeepCall said no: `code` and its message (or an HTTP status as the code)
    │   └── Busy           1501, still after the retries
    └── NoUsableAnswer     sent, and what it did is not known
        └── NothingNamed   a list came, and none of its rows could be read as a call

Codes are global from 1000 and reused per section from 1501, so meanings are kept by (endpoint, code). Source of the
codes: the vendor's page and its error list; the advice is ours.
"""

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = Promise | str
TAKEOVER, LIST, ANY = "takeover", "list", "*"

BUSY_CODE = "1501"
GONE_CODE = "1000"
VENDOR_SIDE_CODES = frozenset({"1009", "1010", "1032"})
CREDENTIAL_CODES = frozenset({"1014", "1015", "1020", "1039", "1043", "401", "403"})
RENEWABLE_CODES = frozenset({"1014", "1020", "401"})  # a new session or token is what helps
REFUSING_STATUSES = frozenset({401, 403, 404, 405, 413, 415, 422, 429})


class Try(msgspec.Struct, frozen=True):
    """One request of a takeover as it ended: `code` and `message` as in the error, "" for a plain success."""

    code: str
    message: str
    took_ms: int


class QueueApiError(Exception):
    """`code`: DeepCall's, or the HTTP status, or "". `message`: the vendor's own words, or ours when it sent none.

    `tries`: how often it was sent, `log`: each of them. `retry_after_s`: how long DeepCall asked to wait, if it did.
    """

    def __init__(self, endpoint: str, *, message: str = "", code: str = "", http_status: int | None = None,
                 tries: int = 1, log: tuple[Try, ...] = (), retry_after_s: int | None = None) -> None:
        super().__init__(f"{endpoint}: {code} {message}".strip())
        self.endpoint, self.message, self.code = endpoint, message, code
        self.http_status, self.tries, self.log = http_status, tries, log
        self.retry_after_s = retry_after_s


class RequestInvalid(QueueApiError):
    """Not sent: the request would not have named a call, or the account cannot be used as it is set up."""


class NotSent(QueueApiError):
    """No connection: nothing left this machine, so trying again is safe."""


class Untrusted(NotSent):
    """The other side could not prove who it is, or its address is not allowed."""


class Refused(QueueApiError):
    """DeepCall answered and did nothing."""


class Busy(Refused):
    """A similar request is being processed (1501)."""


class NoUsableAnswer(QueueApiError):
    """No answer, or none that says what happened. A takeover may have acted."""


class NothingNamed(NoUsableAnswer):
    """A list came, and none of its `rows` names a call: the account's field names do not fit."""

    def __init__(self, endpoint: str, *, rows: int) -> None:
        super().__init__(endpoint, http_status=200, message=(
            f"None of its {rows} rows names a call (a call id, or a number and an agent)."))
        self.rows = rows


class Advice(msgspec.Struct, frozen=True):
    """What a code means for people; the vendor's own message always stands beside it."""

    title: Text
    supervisor: Text
    administrator: Text


_SET_UP = _("The account’s settings need an administrator.")
_OUR_FAULT = _("Check how the account names calls, then report it with the time.")
_VENDOR = Advice(
    _("DeepCall has trouble of its own"),
    _("It may have acted all the same. Look at the list before you try again."),
    _("Wait; if it lasts, ask DeepCall’s support with the code and the time."),
)
_CREDENTIALS = _("Renew the credentials in the account’s settings.")

CODES: dict[tuple[str, str], Advice] = {
    (TAKEOVER, "1000"): Advice(
        _("Call not found"),
        _("It has probably ended or been taken; the next list will show."),
        _("If this happens to calls that are live, check the credentials and how the account names calls.")),
    (LIST, "1000"): Advice(
        _("DeepCall does not accept the request"), _SET_UP,
        _("Check the credentials, the list path and the list request.")),
    (ANY, "1001"): Advice(_("Wrong data type"), _SET_UP, _OUR_FAULT),
    (ANY, "1002"): Advice(_("User id missing"), _SET_UP, _("Enter the user id in the account’s settings.")),
    (ANY, "1047"): Advice(_("Request empty or malformed"), _SET_UP, _OUR_FAULT),
    (ANY, "1009"): _VENDOR,
    (ANY, "1010"): _VENDOR,
    (ANY, "1032"): _VENDOR,
    (ANY, "1014"): Advice(_("Token invalid or expired"), _SET_UP, _CREDENTIALS),
    (ANY, "1020"): Advice(_("Token missing"), _SET_UP, _CREDENTIALS),
    (ANY, "1015"): Advice(
        _("Permission denied"), _("This log-in may not do that in DeepCall."),
        _("Give the log-in the permission in DeepCall, or use another one.")),
    (ANY, "1039"): Advice(_("Account suspended"), _SET_UP, _("Settle it with DeepCall.")),
    (ANY, "1043"): Advice(
        _("Agent not logged in"), _("Log in to DeepCall, then try again."),
        _("The agent behind these credentials must be logged in to DeepCall.")),
    (ANY, "1501"): Advice(
        _("Busy"), _("DeepCall is still working on a similar request. Try again in a few seconds."),
        _("If it lasts, look for a second program that asks DeepCall with the same credentials.")),
    (LIST, "1502"): Advice(
        _("Invalid filter value"), _SET_UP, _("Correct the list request (filter) in the account’s settings.")),
    (TAKEOVER, "1502"): Advice(
        _("Invalid value in the takeover"), _SET_UP,
        _("Check how the account names calls and what agentid means, then report it with the takeover’s number.")),
    (ANY, "401"): Advice(_("Not let in"), _SET_UP, _CREDENTIALS),
    (ANY, "403"): Advice(_("Not let in"), _SET_UP, _CREDENTIALS),
    (ANY, "404"): Advice(
        _("Address not found"), _SET_UP, _("Check the base URL and the list path in the account’s settings.")),
    (ANY, "405"): Advice(
        _("Not possible at this address"), _SET_UP, _("Check the base URL in the account’s settings.")),
    (ANY, "408"): Advice(
        _("DeepCall waited too long"), _VENDOR.supervisor, _("Check the network between here and DeepCall.")),
    (ANY, "413"): Advice(_("Request too large"), _SET_UP, _("Shorten the list request in the account’s settings.")),
    (ANY, "415"): Advice(_("Request in the wrong form"), _SET_UP, _OUR_FAULT),
    (ANY, "422"): Advice(_("Request not understood"), _SET_UP, _OUR_FAULT),
    (ANY, "429"): Advice(
        _("Too many requests"), _("Wait a little, then try again."), _("Lengthen the account’s poll interval.")),
}
_UNKNOWN_CODE = Advice(
    _("DeepCall refused"), _("This code is not in our list; DeepCall’s own words are beside it."),
    _("Ask DeepCall’s support what this code means."),
)
_SERVER_ERROR = Advice(
    _("DeepCall answered with an error page"), _VENDOR.supervisor,
    _("Check the base URL; if it is right, wait or ask DeepCall’s support."),
)
_REDIRECT = Advice(
    _("DeepCall answered with a redirect"), _VENDOR.supervisor,
    _("Redirects are not followed. Enter the address it leads to as the base URL."),
)


def advice(endpoint: str, code: str) -> Advice:
    """What (endpoint, code) means. A code we do not know is said to be one."""
    if len(code) == 3 and code.startswith("5"):
        return _SERVER_ERROR
    if len(code) == 3 and code.startswith("3"):
        return _REDIRECT
    return CODES.get((endpoint, code)) or CODES.get((ANY, code)) or _UNKNOWN_CODE
