"""Nonsense for the admin, made from its own pages: every form as it is rendered, with some of its fields gone wrong.

What a page asks for is read from its HTML, so that a new field is covered by itself. One seed: the same tries again.
"""

import html.parser
import random
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urljoin

TYPED = "canary-typed-into-a-password-field"
LETTERS = [
    "", " ", "x", "0", "-1", "1", "1.5", "-0", "1e999", "NaN", "Infinity", "9" * 30, "-" + "9" * 30, "2147483648",
    "9223372036854775808", "9" * 5000, "x" * 300, "x" * 5000, "\0", "a\0b", "\r\nX-Evil: 1", "\ud800", "\udfff\ud800",
    "\uffff", "\u202egnp.exe\u202c", "e\u0301" * 200, "😀" * 200, "٣", "²", "%00", "%c0%ae", "../../etc/passwd",
    "' OR 1=1 --", "<script>alert(1)</script>", "{{7*7}}", "{% debug %}", "\x1b[31m", "\x7f", "on", "true", "None",
    "all", "__all__", "pk__in", "1,2,3", "1;2", "__class__",
]
MOMENTS = ["2026-13-45", "0000-00-00", "9999-12-31", "0001-01-01", "25:61:61", "1e9", "-1 day"]
ADDRESSES = [
    "http://", "//x", "https://user:pw@h", "https://[::1", "https://[::1]:99999/", "https://h:99999",
    "https://\u2488.x", "javascript:alert(1)", "file:///etc/passwd", "https://" + "a" * 300 + ".example",
    "https://h\r\nHost: x", "http://169.254.169.254/", "https://xn--/", "https://%00", "https://h/../../x?y#z",
    "HTTPS://DEEPCALL.EXAMPLE.",
]
ZONES = ["Mars/Olympus", "../../etc/localtime", "/etc/passwd", "UTC\0", "posix/", "Europe", "utc", "é", "A" * 300, "."]
JSONS = [
    "{", "[]", "null", "1", '"x"', "NaN", '{"a": NaN}', '{"a": Infinity}', '{"a": 1e400}', "[" * 5000,
    "[" * 900 + "]" * 900, '{"a":' * 400 + "1" + "}" * 400, '{"call_id": 1}', '{"call_id": [1]}', '{"call_id": [[]]}',
    '{"call_id": {}}', '{"call_id": "x"}', '{"call_id": [""]}', '{"": []}', '{"call_id": ["\\u0000"]}',
    '{"call_id": ["\\ud800"]}', '{"talking": ["talking"], "hold": ["TALKING"]}', '{"talking": null}',
    '{"a": "\\u0000"}', '{"\\u0000": "a"}', '{"a": "\\ud800"}', '{"a": ' + "9" * 400 + "}", '{"a": ' + "9" * 5000 + "}",
    '{"limit": {"a": [1]}}', '{"ssid": "x"}', '{"token": "x", "userId": 1}', "{'a': 1}", '{"a": 1, "a": 2}',
    "\ufeff{}", '{"call_id": ["' + "x" * 9000 + '"]}',
]
ODD = [*LETTERS, *MOMENTS, *ADDRESSES, *ZONES, *JSONS]
HUGE = ["x" * 1_000_000, "\u202e" * 100_000, "9" * 1_000_000, '{"a":' * 100_000]
EXTRA = [
    "_popup", "_to_field", "_save", "_continue", "_addanother", "_saveasnew", "_test", "_changelist_filters", "next",
    "action", "_selected_action", "select_across", "index", "post", "is_superuser", "id", "pk", "token_hash",
    "ssid_sealed", "uid", "user_permissions", "password", "administrator", "_source_model", "is_popup",
]
ASKED = [
    "q", "p", "o", "e", "all", "_popup", "_to_field", "_facets", "_changelist_filters", "next", "ot", "l", "pop",
    "id", "pk__in", "id__exact", "name__regex", "user_permissions__codename__regex", "password__startswith",
    "ssid_sealed__startswith", "is_active__exact", "is_staff__exact", "groups__id__exact", "account__id__exact",
    "enabled__exact", "at__year", "at__month", "at__day", "at__gte", "created_at__year", "created_at__month",
    "created_at__day", "state__exact", "kind", "code", "attempt_id", "account_name", "app_label", "model_name",
    "field_name", "term", "page", "csrfmiddlewaretoken", "object_id", "_saved",
]


class Field(NamedTuple):
    """`values`: as the page has them; `offers`: what may be chosen instead."""

    name: str
    kind: str
    values: tuple[str, ...]
    offers: tuple[str, ...] = ()

    def sent(self, dice: random.Random) -> tuple[str, ...]:
        """What the page has, or where nothing is chosen yet something that may be: an action, rows for it."""
        if self.offers and not any(self.values) and dice.random() < 0.6:
            return (dice.choice(self.offers),)
        return self.values


class Form(NamedTuple):
    """One form as a browser would send it. `buttons`: of which it sends the one that is pressed."""

    page: str
    method: str
    fields: tuple[Field, ...]
    buttons: tuple[tuple[str, str], ...]


class Try(NamedTuple):
    """One request. `typed`: as the form's fields had it, to be told when it goes wrong."""

    method: str
    path: str
    body: bytes = b""
    what: str = ""


class _Forms(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.found, self.links = page, list[Form](), set[str]()
        self._form: tuple[str, list[Field], list[tuple[str, str]]] | None = None
        self._open: tuple[str, list[str], list[str]] | None = None
        self._text: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href", "").startswith("?"):
            self.links |= {name for name, _value in parse_qsl(given["href"][1:])}
        if tag == "form":
            self._page, self._form = urljoin(self.page, given.get("action", "")), (
                given.get("method", "get").upper(), [], [])
        elif self._form is None or not (name := given.get("name", "") or (self._open or [""])[0]):
            return
        elif tag in ("input", "button"):
            self._input(name, given, self._form[1], self._form[2])
        elif tag == "textarea":
            self._text = (name, "")
        elif tag == "select":
            self._open = (name, [], [])
        elif tag == "option" and self._open:
            self._open[2].append(given.get("value", ""))
            if "selected" in given:
                self._open[1].append(given.get("value", ""))

    def _input(self, name: str, given: dict[str, str], fields: list[Field], buttons: list[tuple[str, str]]) -> None:
        kind, value = given.get("type", "text"), given.get("value", "")
        if kind in ("submit", "button", "image"):
            buttons.append((name, value))
        elif kind in ("checkbox", "radio"):
            fields.append(Field(name, kind, (value or "on",) if "checked" in given else (), (value or "on",)))
        else:
            fields.append(Field(name, kind, (TYPED if kind == "password" else value,)))

    def handle_data(self, data: str) -> None:
        if self._text:
            self._text = (self._text[0], self._text[1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form:
            method, fields, buttons = self._form
            self.found.append(Form(self._page, method, tuple(fields), tuple(buttons)))
            self._form = None
        elif self._form and tag == "textarea" and self._text:
            self._form[1].append(Field(self._text[0], tag, (self._text[1].strip(),)))
            self._text = None
        elif self._form and tag == "select" and self._open:
            name, chosen, offers = self._open
            self._form[1].append(Field(name, tag, tuple(chosen), tuple(offer for offer in offers if offer)))
            self._open = None


def forms_of(page: str, text: str) -> tuple[list[Form], set[str]]:
    """The forms of a rendered page, and what its own links put into the address."""
    parser = _Forms(page)
    parser.feed(text)
    return parser.found, parser.links


# ── gone wrong ─────────────────────────────────────────────────────────────────────────────────────
def value(dice: random.Random, others: list[str]) -> str:
    if dice.random() < 0.01:
        return dice.choice(HUGE)
    return dice.choice(others) if others and dice.random() < 0.2 else dice.choice(ODD)


def wrong_form(dice: random.Random, form: Form, keys: list[str]) -> Try:
    """The form with one to three fields gone wrong. `keys`: of rows that belong elsewhere."""
    pairs = [(field.name, each) for field in form.fields for each in field.sent(dice)]
    names = [field.name for field in form.fields] + [name for name, _value in form.buttons]
    done = []
    for _ in range(dice.choice([1, 1, 2, 3])):
        name = dice.choice(names) if names and dice.random() < 0.85 else dice.choice(EXTRA)
        how = dice.choice(["other", "other", "other", "other", "gone", "twice"])
        given = value(dice, keys)
        if how != "twice":
            pairs = [pair for pair in pairs if pair[0] != name]
        if how != "gone":
            pairs.append((name, given))
        done.append(f"{name} {how} {given[:60]!r}")
    if form.buttons and dice.random() < 0.9:
        pairs.append(dice.choice(form.buttons))
    body, what = urlencode(pairs, errors="surrogatepass").encode(), "; ".join(done)
    return Try("POST", form.page, body, what) if form.method == "POST" else Try(
        "GET", f"{form.page}?{body.decode()}"[:8000], what=what)


def wrong_question(dice: random.Random, page: str, links: list[str], keys: list[str]) -> Try:
    pairs = [(dice.choice(links) if links and dice.random() < 0.5 else dice.choice(ASKED), value(dice, keys)[:5000])
             for _ in range(dice.choice([1, 1, 2, 3]))]
    return Try("GET", f"{page}?{urlencode(pairs, errors='surrogatepass')}", what=repr(pairs)[:300])


def wrong_address(dice: random.Random, route: str, filled: str) -> Iterator[Try]:
    """The address with each of its numbers in turn gone wrong."""
    parts = filled.strip("/").split("/")
    for index, part in enumerate(parts):
        if part.isdigit():
            odd = quote(dice.choice(ODD)[:500], safe="", errors="surrogatepass") or "x"
            yield Try("GET", "/" + "/".join([*parts[:index], odd, *parts[index + 1:]]) + "/", what=route)
