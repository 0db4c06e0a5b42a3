"""What no log line may carry: secrets, whole phone numbers, and characters that would make it look like another line.

Works on finished text, whoever wrote it: what a library says about an error passes through here as well. It leans
to the safe side: a long number that is no phone number loses its beginning, too.
"""

import re

HIDDEN = "•••"
READ = 32_000  # characters that are looked at; what comes after is cut unread

_NAMES = (r"ssid|token|api_?key|password\d?|passwd|secret\w{0,20}"
          r"|(?:__host-)?session(?:id|_?key)?|(?:__host-)?csrftoken|field_?keys?")
_VALUE = r"""b?(?:"[^"\n]*"?|'[^'\n]*'?|[^\s,;&"'(){}\[\]<>]+)"""
_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_GAP = "[ \u00a0\u2007\u2009\u202f.\\-\u2010-\u2015()/\u200b-\u200f\u2060\ufeff\u202a-\u202e\u2066-\u2069]{0,3}"

SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A header's name and its value, as a line, a mapping or a pair: Cookie: a=b; c=d   ('cookie', 'a=b')
    (re.compile(rf"""(?i)(?<![\w-])({_HEADERS})(["']?\s*[:=,]\s*)b?(?:"[^"\n]*"|'[^'\n]*'|[^\n"']+)"""),
     rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(rf"""(?i)({_NAMES})(\\?["']?\s*(?:[:=]|%3D)\s*\\?)(?:{_VALUE})"""), rf"\1\2{HIDDEN}"),
    (re.compile(r"""(://)[^\s"'<>]+@(?=[\w.\[-])"""), rf"\1{HIDDEN}@"),
    (re.compile(r"gAAAA[\w=-]{20,}"), HIDDEN),  # what is sealed
    (re.compile(r"(/wall/link/)[^\s\"'?#]+"), rf"\1{HIDDEN}"),
)
NUMBER = re.compile(
    r"(?<!\d)(?<!\d\.)"
    r"(?!(?:19|20)\d\d-(?:0\d|1[0-2])-[0-3]\d(?!\d|-))"  # a day
    rf"(?!{_OCTET}(?:\.{_OCTET}){{3}}(?![\d.]))"  # an address
    rf"\+?\d(?:{_GAP}\d){{8,}}"
)
# C0, C1 and other controls, bidirectional marks, zero-width characters, line and paragraph separators, lone surrogates.
ODD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                 "\ud800-\udfff]")


def clean(text: str, limit: int, *, lines: bool = False) -> str:
    """At most `limit` characters of `text`, fit for a log. `lines`: line ends stay, as in a traceback.

    A traceback's end says most: of what is too long, the middle is left out.
    """
    if len(text) > READ:
        half = READ // 2
        head, tail = text[:half].rstrip("0123456789 +-.()/"), text[-half:].lstrip("0123456789 +-.()/")
        text = f"{_hidden(head)} … {_hidden(tail)}" if lines else f"{_hidden(head)} …"
    else:
        text = _hidden(text)
    if not lines:
        text = text.replace("\n", "\\n")
    text = ODD.sub(_shown, text)
    if len(text) <= limit:
        return text
    if not lines:
        return text[:limit] + " …"
    return f"{text[:limit // 4]}\n…\n{text[-(limit - limit // 4):]}"


def _hidden(text: str) -> str:
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return NUMBER.sub(lambda found: HIDDEN + re.sub(r"\D", "", found[0])[-3:], text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {9: "\\t", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
