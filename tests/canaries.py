"""The canaries, and where they sing: secrets that tests put in, looked for in all that the suite wrote (G11, S21).

    sow() ──> Canary ──> its spellings ──> Needles ──bytes of files──> Finding (the canary's name, never its value)

A canary may stand where its `may` says, and nowhere else; each exception has its reason beside its `sow`.
"""

import base64
import html
import json
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

SHORTEST = 8  # shorter texts stand in places that have nothing to do with them
MOST = 5_000
PIECE = 4 * 1024 * 1024
AROUND = 40
PACKED = re.compile(rb"eJ[\w+/-]{14,}")  # base64 of what zlib wrote: sessions, messages
PACKED_MOST = 256 * 1024
IN_WORDS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/=%.~")
PLAIN = bytes(byte if byte in IN_WORDS else 32 for byte in range(256))
TEST_MARK = b"\x1e"  # in what the ears wrote down: the test that was running, to the end of the line

# What was written is of one of these kinds. RECORD: lines of the record, which outlive what else the database keeps.
DATABASE, RECORD, LOG, OUTPUT = "database", "record", "log", "output"
ANSWER, METRICS, FILE = "answer", "metrics", "file"


class Canary(NamedTuple):
    """`may`: the kinds of places where it may stand."""

    name: str
    value: str
    may: frozenset[str] = frozenset()


class Place(NamedTuple):
    """One file that is looked through."""

    path: Path
    kind: str


class Finding(NamedTuple):
    """`context`: what stands around it, every canary in it covered. `test`: which was running, where that is known."""

    canary: str
    spelling: str
    place: Place
    offset: int
    context: str
    test: str = ""

    def __str__(self) -> str:
        where = f"{self.place.kind} {self.place.path.name}, byte {self.offset}"
        return f"{self.canary} ({self.spelling}) in {where}, {self.test or self.place.path.parent.name}: {self.context}"


class Aviary:
    """All canaries by their value. Of what is sown twice the first word counts."""

    def __init__(self) -> None:
        self._all: dict[str, Canary] = {}

    def sow(self, name: str, value: str, *may: str) -> None:
        """Raises ValueError for a value that is too short to be looked for."""
        if len(value) < SHORTEST:
            raise ValueError(f"the canary {name} is shorter than {SHORTEST} characters")
        if value not in self._all and len(self._all) < MOST:
            self._all[value] = Canary(name, value, frozenset(may))

    def met(self, name: str, value: str, *may: str) -> None:
        """A secret that came by: sown when it is long enough."""
        if len(value) >= SHORTEST and value.isprintable() and len(value) < 500:
            self.sow(name, value, *may)

    def packed(self) -> list[list[str]]:
        """To be handed to another process."""
        return [[one.name, one.value, *sorted(one.may)] for one in self._all.values()]

    def add(self, packed: Iterable[list[str]]) -> Self:
        for name, value, *may in packed:
            self.sow(name, value, *may)
        return self

    def __iter__(self) -> Iterator[Canary]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)


aviary = Aviary()  # this process's


def spellings(value: str) -> Iterator[tuple[str, bytes]]:
    """How a value may be written: (name of the spelling, bytes). Each once."""
    raw = value.encode()
    written = [("as it is", raw), ("in JSON", json.dumps(value)[1:-1].encode()),
               ("in HTML", html.escape(value).encode()), ("in Python", repr(value)[1:-1].encode()),
               ("in an address", urllib.parse.quote(value, safe="").encode()),
               ("in a form", urllib.parse.quote_plus(value).encode()),
               ("in hex", raw.hex().encode()), ("in hex", raw.hex().upper().encode())]
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        sure = encoded[(0, 2, 3)[shift]:(shift + len(raw)) * 8 // 6]  # the same whatever stands before and after
        written += [("in base64", sure), ("in base64", sure.translate(bytes.maketrans(b"+/", b"-_")))]
    once: dict[bytes, str] = {}
    for name, text in written:
        once.setdefault(text, name)
    return ((name, text) for text, name in once.items())


class Needles:
    """Finds all spellings of all canaries in bytes. A word is looked at once: pages and logs repeat theirs."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self.known: dict[bytes, list[tuple[Canary, str]]] = {}
        for canary in canaries:
            for name, text in spellings(canary.value):
                self.known.setdefault(text, []).append((canary, name))
        self.longest = max(map(len, self.known), default=0)
        self._words = re.compile(_union(sorted(text for text in self.known if _is_word(text))))
        self._odd = [text for text in self.known if not _is_word(text)]

    def find(self, data: bytes, kind: str) -> Iterator[tuple[Canary, str, int, int]]:
        """Canary, spelling, begin and end of each that may not stand in such a place."""
        hits = {found[0] for found in self._words.finditer(different_words(data))}
        for text in [*hits, *(odd for odd in self._odd if odd in data)]:
            for canary, spelling in self.known[text]:
                if kind not in canary.may:
                    yield from ((canary, spelling, at.start(), at.end()) for at in re.finditer(re.escape(text), data))

    def covered(self, data: bytes) -> str:
        """For people: canaries as dots, and nothing that a terminal would obey."""
        text = self._words.sub("•••".encode(), data).decode(errors="replace")
        return "".join(character if character.isprintable() else "·" for character in text)


def different_words(data: bytes) -> bytes:
    """Every word of at least SHORTEST characters, once."""
    return b" ".join(word for word in set(data.translate(PLAIN).split()) if len(word) >= SHORTEST)


def _is_word(text: bytes) -> bool:
    return text.translate(PLAIN) == text


def _union(words: list[bytes]) -> bytes:
    """A pattern for the sorted words that never tries them one by one: they are a tree by their beginnings."""
    if not words:
        return b"(?!)"
    branches: list[bytes] = []
    while words:
        first = words[0][:1]
        same = [word[1:] for word in words if word[:1] == first]
        words = words[len(same):]
        escaped = re.escape(first)
        if len(same) == 1:
            branches.append(escaped + re.escape(same[0]))
            continue
        ends, longer = b"" in same, [word for word in same if word]
        branches.append(escaped + (b"" if not longer else _union(longer) + (b"?" if ends else b"")))
    return branches[0] if len(branches) == 1 and len(branches[0]) == 1 else b"(?:" + b"|".join(branches) + b")"


# ── looking ────────────────────────────────────────────────────────────────────────────────────────
def look_through(place: Place, needles: Needles) -> Iterator[Finding]:
    """Every canary in one file that may not stand there, compressed and base64-encoded text included."""
    before, offset = b"", 0
    with place.path.open("rb") as file:
        while piece := file.read(PIECE):
            data = before + piece
            yield from _in_bytes(data, place, needles, offset - len(before), len(before))
            before, offset = data[-max(needles.longest, AROUND):], offset + len(piece)


def _in_bytes(data: bytes, place: Place, needles: Needles, at: int, seen: int) -> Iterator[Finding]:
    """`at`: where `data` begins in the file; `seen`: how much of it was looked through with the piece before."""
    for canary, spelling, begin, end in needles.find(data, place.kind):
        if end > seen:
            far = AROUND + needles.longest  # covered before it is cut: no half of another canary is shown
            before, after = needles.covered(data[max(0, begin - far):begin]), needles.covered(data[end:end + far])
            around = f"{before[-AROUND:]}•••{after[:AROUND]}"
            yield Finding(canary.name, spelling, place, at + begin, around, _running(data, begin))
    for packed in PACKED.finditer(data):
        for canary, spelling, _begin, _end in needles.find(unpacked(packed[0]), place.kind):
            if packed.end() > seen:
                yield Finding(canary.name, f"{spelling}, compressed", place, at + packed.start(), "",
                              _running(data, packed.start()))


def unpacked(text: bytes) -> bytes:
    """What was compressed and then written in base64, as far as it can be read; b"" when it is neither."""
    try:
        whole = base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")) + b"===")
        return zlib.decompressobj().decompress(whole, PACKED_MOST)
    except (ValueError, zlib.error):
        return b""


def _running(data: bytes, at: int) -> str:
    mark = data.rfind(TEST_MARK, 0, at)
    return data[mark + 1:data.find(b"\n", mark)].decode(errors="replace") if mark >= 0 else ""
