"""What no log line may carry, whoever wrote it: secrets, whole numbers, and what makes it look like another one."""

import time

import pytest

from config.redaction import READ, clean


@pytest.mark.parametrize("text", [
    "9876543210", "+919876543210", "+91 98765 43210", "(98765) 43-210", "98765-43210", "98765.43210",
    "0091/98765/43210", "+91\u00a098765\u201143210", "9 8 7 6 5 4 3 2 1 0",
    "98765\u200b43210", "９８７６５４３２１０", "९८७६५४३२१०", "caller=+919876543210,",
    "'callernumber': '919876543210'", "tel:919876543210", "x919876543210x", "\\n919876543210",
    "https://deepcall.example/?n=%2B919876543210",
])
def test_of_a_phone_number_three_digits_are_left(text: str) -> None:
    left = clean(text, 1000)
    digits = "".join(character for character in left if character.isdigit())
    assert "•••" in left
    assert int(digits) in (210, 2210)  # %2B is a plus; digits of other scripts count as well


@pytest.mark.parametrize("text", [
    "2026-11-25 01:31:44.123", "at 2026-11-25T01:31:44", "10.20.30.40:6379", "192.168.100.200", "line 12345678",
    "fence 17", "after 42 s, failures: 17", "port 8000, 8001, 8002", "code 1501",
])
def test_what_is_no_number_stays(text: str) -> None:
    assert clean(text, 1000) == text


SECRET = "s3cr3t-Value"


@pytest.mark.parametrize("text", [
    f"ssid={SECRET}", f"ssid = {SECRET}", f'{{"ssid": "{SECRET}"}}', f'{{"ssid":"{SECRET}","callId":"7"}}',
    f"{{'token': '{SECRET}'}}", f"{{b'token': b'{SECRET}'}}", f"?token={SECRET}&next=/", f"token%3D{SECRET}",
    f"user_token: {SECRET}", f"CALLBOARD_SECRET_KEY={SECRET}", f"password1={SECRET}", f"sessionid={SECRET}; a=x",
    f"csrfmiddlewaretoken={SECRET}", f"Authorization: Bearer {SECRET}", f"authorization: Basic {SECRET}",
    f"(b'cookie', b'sessionid={SECRET}; a={SECRET}')", f"Cookie: a={SECRET}; b={SECRET}", f"Set-Cookie: w={SECRET}",
    f"{{'Cookie': 'wall={SECRET}'}}", f"Bearer {SECRET}", f"redis://:{SECRET}@cache:6379/0", f"postgres://u:{SECRET}@db/x",
    f"/wall/link/{SECRET}", f'"{{\\"ssid\\":\\"{SECRET}\\"}}"', f'ssid="{SECRET}', f"X-CSRFToken: {SECRET}",
    f"session={SECRET}; a=b", f"{{'__Host-session': '{SECRET}'}}", f"redis://:pa/{SECRET}@cache:6379/0",
    f"postgres://u:p@{SECRET}@db/x",
])
def test_no_value_of_a_secret_is_left(text: str) -> None:
    left = clean(f"before {text}", 1000)
    assert SECRET not in left
    assert left.startswith("before ")
    assert "•••" in left


def test_a_sealed_value_is_hidden_too() -> None:
    assert clean("gAAAAABn" + "x" * 60, 1000) == "•••"


@pytest.mark.parametrize("text", [
    "Token invalid or expired", "CSRF cookie not set.", "No secret was found", "Check the ssid in the settings",
])
def test_sentences_about_secrets_stay(text: str) -> None:
    assert clean(text, 1000) == text


@pytest.mark.parametrize(("odd", "shown"), [
    ("a\r\nb", "a\\r\\nb"), ("\x1b[31mred", "\\x1b[31mred"), ("a\u202eb", "a\\u202eb"), ("a\x00b", "a\\x00b"),
    ("a\tb", "a\\tb"), ("a\u2028b", "a\\u2028b"), ("a\u200bb", "a\\u200bb"), ("a\x85b", "a\\x85b"),
    ("a\ud800b", "a\\ud800b"),
])
def test_characters_that_change_what_is_seen_are_spelled_out(odd: str, shown: str) -> None:
    assert clean(odd, 1000) == shown


def test_line_ends_stay_in_a_traceback() -> None:
    assert clean("a\nb\r\n", 1000, lines=True) == "a\nb\\r\n"


def test_of_a_long_message_the_beginning_is_kept_and_of_a_traceback_most_of_the_end() -> None:
    assert clean("a" * 5000, 100) == "a" * 100 + " …"
    kept = clean("\n".join(f"line {number}" for number in range(2000)), 400, lines=True)
    assert kept.startswith("line 0\n")
    assert kept.endswith("line 1999")
    assert len(kept) < 420


def test_a_number_or_a_secret_that_the_cut_goes_through_is_not_left_half() -> None:
    for shift in range(-15, 5):
        assert "98765" not in clean("a" * (READ + shift) + "+919876543210 and on", 2 * READ)
        assert SECRET[:6] not in clean("a" * (READ + shift) + f"ssid={SECRET} and on", 2 * READ)


@pytest.mark.parametrize("piece", [
    "A", "1", "1 ", "-", "ssid", "ssid=", "secret", "token: ", "://", "gAAAA", "Cookie: ", "bearer ", "\u202e", '"',
    "1-1.", "1.1.1.1", "/wall/link/", "9876543210 ", "secret_",
])
def test_a_megabyte_of_anything_costs_no_time_and_ends_short(piece: str) -> None:
    began = time.process_time()
    assert len(clean(piece * (1_000_000 // len(piece)), 4000)) <= 4002
    assert len(clean(piece * (1_000_000 // len(piece)), 4000, lines=True)) <= 4003
    assert time.process_time() - began < 10  # about one; what grew with the square would take minutes
