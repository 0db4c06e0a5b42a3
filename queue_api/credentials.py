"""Secrets: how they are held in memory (never printed) and in the database (sealed, bound to their row)."""

import json
import zlib
from functools import lru_cache

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Secret:
    """Text that prints as dots. `reveal()` is the only way to it: grep for that to find every use."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "•••"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Credentials(msgspec.Struct, frozen=True):
    """One account's credentials: way 1 `ssid`, way 2 `user_id` + `token` (vendor page). Either or both."""

    ssid: Secret | None = None
    user_id: str = ""
    token: Secret | None = None

    def for_lists(self) -> dict[str, str]:
        """The body's credential fields: user id and token when there (the vendor's best practice), else ssid."""
        return self._by_token() or self._by_session()

    def for_takeover(self) -> dict[str, str]:
        """ssid when there (callTakeover's own table requires it), else user id and token; never both."""
        return self._by_session() or self._by_token()

    def _by_session(self) -> dict[str, str]:
        return {"ssid": self.ssid.reveal()} if self.ssid else {}

    def _by_token(self) -> dict[str, str]:
        return {"userId": self.user_id, "token": self.token.reveal()} if self.user_id and self.token else {}


class Unsealable(ValueError):
    """A sealed value that the field keys do not open, or that belongs to another row."""


def seal(text: str, context: str) -> str:
    """Encrypts under the first of CALLBOARD_FIELD_KEYS, bound to `context` (the row and field it is for)."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(json.dumps([context, text]).encode()).decode()


def unseal(sealed: str, context: str) -> str:
    """The text. Raises Unsealable when no key fits or the value was moved from another row."""
    owner, text = json.loads(_open(sealed.encode(), context))
    if owner != context:
        raise Unsealable(f"The stored secret for {context} belongs to another row. Enter it again.")
    return str(text)


def seal_bytes(data: bytes, context: str) -> bytes:
    """Compresses and encrypts a payload, bound to `context`."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(context.encode() + b"\0" + zlib.compress(data, 1))


def unseal_bytes(sealed: bytes, context: str) -> bytes:
    """The payload. Raises Unsealable as `unseal` does."""
    owner, _, packed = _open(sealed, context).partition(b"\0")
    if owner != context.encode():
        raise Unsealable(f"The stored payload for {context} belongs to another row.")
    return zlib.decompress(packed)


def _open(sealed: bytes, context: str) -> bytes:
    try:
        return _fernet(tuple(settings.FIELD_KEYS)).decrypt(sealed)
    except InvalidToken as error:
        raise Unsealable(
            f"None of CALLBOARD_FIELD_KEYS opens the stored secret for {context}. "
            "Add the key it was stored with, or enter the secret again.") from error


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
