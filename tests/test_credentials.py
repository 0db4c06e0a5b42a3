"""Secrets in memory and in the database."""

import traceback

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from queue_api.credentials import Credentials, Secret, Unsealable, seal, seal_bytes, unseal, unseal_bytes

CANARY = "s3cr3t-c4n4ry"


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> list[str]:
    made = [Fernet.generate_key().decode()]
    settings.FIELD_KEYS = made
    return made


# ── in memory ──────────────────────────────────────────────────────────────────────────────────────
def test_a_secret_prints_as_dots_however_it_is_printed() -> None:
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", repr([secret]), repr(Credentials(token=secret))]
    assert not any(CANARY in text for text in shown)
    assert str(secret) == "•••"


def test_a_secret_does_not_stand_in_a_traceback() -> None:
    try:
        int(Secret(CANARY))  # type: ignore[call-overload]
    except TypeError:
        assert CANARY not in traceback.format_exc()


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


BOTH = Credentials(ssid=Secret("s"), user_id="u", token=Secret("t"))
SESSION = Credentials(ssid=Secret("s"))
TOKEN = Credentials(user_id="u", token=Secret("t"))


def test_lists_use_user_id_and_token_when_both_ways_are_there() -> None:
    assert BOTH.for_lists() == TOKEN.for_lists() == {"userId": "u", "token": "t"}


def test_takeovers_use_the_session_when_both_ways_are_there() -> None:
    assert BOTH.for_takeover() == SESSION.for_takeover() == {"ssid": "s"}


def test_each_way_alone_does_for_both() -> None:
    assert SESSION.for_lists() == {"ssid": "s"}
    assert TOKEN.for_takeover() == {"userId": "u", "token": "t"}


@pytest.mark.parametrize("half", [Credentials(), Credentials(user_id="u"), Credentials(token=Secret("t"))])
def test_half_a_way_is_none(half: Credentials) -> None:
    assert half.for_lists() == half.for_takeover() == {}


# ── in the database ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("text", [CANARY, "", "ключ 🔑", "a\0b"])
def test_what_was_sealed_comes_back_in_its_own_place(text: str) -> None:
    sealed = seal(text, "account:1:ssid")
    assert CANARY not in sealed
    assert unseal(sealed, "account:1:ssid") == text


def test_a_sealed_text_moved_to_another_row_is_refused() -> None:
    with pytest.raises(Unsealable):
        unseal(seal(CANARY, "account:1:ssid"), "account:2:ssid")


def test_another_key_does_not_open_it_and_the_message_says_where_to_look(settings: Settings) -> None:
    sealed = seal(CANARY, "here")
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(Unsealable, match="CALLBOARD_FIELD_KEYS"):
        unseal(sealed, "here")


def test_a_new_first_key_seals_while_the_old_one_still_opens(settings: Settings, keys: list[str]) -> None:
    old, new = seal(CANARY, "here"), Fernet.generate_key().decode()
    settings.FIELD_KEYS = [new, *keys]
    newer = seal(CANARY, "here")
    assert unseal(old, "here") == CANARY
    settings.FIELD_KEYS = [new]
    assert unseal(newer, "here") == CANARY


@pytest.mark.parametrize("damaged", ["", "x", "gAAAA", "•••"])
def test_a_damaged_text_is_refused(damaged: str) -> None:
    with pytest.raises(Unsealable):
        unseal(damaged, "here")


def test_sealed_bytes_come_back_compressed_and_bound_to_their_place() -> None:
    data = bytes(range(256)) * 400
    sealed = seal_bytes(data, "board:1")
    assert len(sealed) < len(data) // 10
    assert unseal_bytes(sealed, "board:1") == data
    with pytest.raises(Unsealable):
        unseal_bytes(sealed, "board:2")
