"""Bodies -> what they say. Anything that is not plainly an answer is odd, and nothing but OddAnswer comes out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queue_api.answers import OddAnswer, Outcome, list_outcome, outcome_of, read_answer

RECORDED = b'{"status":"error","message":"Live call not found or invalid","code":1000}'


def said(body: bytes) -> Outcome:
    return outcome_of(read_answer(body))


# ── reading ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("body", [
    b"", b"  ", b"<html><h1>502 Bad Gateway</h1></html>", b"[]", b"null", b'"success"', b"7", b"true", b"{", b"{}{}",
    b"{'status':'success'}", b'{"status":"success",}', b"\xef\xbb\xbf" + RECORDED, b'{"status":"\xff"}', b'{"a":"\n"}',
    RECORDED.decode().encode("utf-16"), b"\x00" + RECORDED, b'{"n":' + b"9" * 5000 + b"}",
])
def test_what_is_not_one_json_object_in_utf_8_is_odd(body: bytes) -> None:
    with pytest.raises(OddAnswer):
        read_answer(body)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400"])
def test_numbers_that_are_none_are_odd(value: bytes) -> None:
    with pytest.raises(OddAnswer):
        read_answer(b'{"status":"success","n":[' + value + b"]}")


@pytest.mark.parametrize("body", [b'{"status":"error","status":"success"}', b'{"data":[{"id":1,"id":2}]}'])
def test_a_key_named_twice_is_odd_at_any_depth(body: bytes) -> None:
    with pytest.raises(OddAnswer, match="twice"):
        read_answer(body)


@pytest.mark.parametrize("depth", [70, 900, 10_000, 200_000])
@pytest.mark.parametrize(("start", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_odd(depth: int, start: bytes, end: bytes) -> None:
    with pytest.raises(OddAnswer):
        read_answer(b'{"a":' + start * depth + b"1" + end * depth + b"}")


def test_many_rows_side_by_side_are_not_deep() -> None:
    assert len(read_answer(json.dumps({"data": [{"id": n} for n in range(500)]}).encode())["data"]) == 500


def test_brackets_in_a_callers_name_are_no_nesting() -> None:
    assert read_answer(json.dumps({"data": [{"id": n, "name": "[VIP {"} for n in range(500)]}).encode())


# ── outcomes ───────────────────────────────────────────────────────────────────────────────────────
def test_the_recorded_answer_is_an_error_with_its_code_and_words() -> None:
    assert said(RECORDED) == Outcome(success=False, code="1000", message="Live call not found or invalid")


@pytest.mark.parametrize("status", ["Success", "SUCCESS", "ok", "", " success", True, 1, 200, None, [], {}])
def test_only_the_two_documented_statuses_count(status: object) -> None:
    with pytest.raises(OddAnswer):
        said(json.dumps({"status": status, "message": "done"}).encode())


def test_an_answer_without_a_status_is_odd() -> None:
    with pytest.raises(OddAnswer):
        said(b'{"message":"Live call not found or invalid","code":1000}')


@pytest.mark.parametrize("code", [1501, "1501", " 1501 "])
def test_a_code_may_be_a_number_or_digits(code: object) -> None:
    assert said(json.dumps({"status": "error", "code": code}).encode()).code == "1501"


@pytest.mark.parametrize("code", [None, True, "E7", 1010.5, [1010], {}, "", "9" * 40])
def test_an_error_without_a_usable_code_is_odd_for_it_may_have_acted(code: object) -> None:
    with pytest.raises(OddAnswer, match="its words"):
        said(json.dumps({"status": "error", "message": "its words", "code": code}).encode())


def test_rows_with_a_code_and_no_status_are_not_taken_for_an_empty_list() -> None:
    with pytest.raises(OddAnswer):
        list_outcome({"data": [], "code": 1014, "message": "Token expired"})


def test_the_message_is_cleaned_and_cut() -> None:
    body = json.dumps({"status": "error", "code": 1, "message": "a\u202eb\x07" + "c" * 1000}).encode()
    assert said(body).message == "ab" + "c" * 298


@pytest.mark.parametrize("message", [None, [], {}, True])
def test_a_message_that_is_no_text_is_empty(message: object) -> None:
    assert said(json.dumps({"status": "success", "message": message}).encode()).message == ""


@pytest.mark.parametrize("body", [{"data": []}, {"data": {"list": [{"id": 1}]}}, {"response": [{"id": 1}], "total": 1}])
def test_a_list_with_rows_needs_no_status(body: dict[str, Any]) -> None:
    assert list_outcome(body).success


def test_a_list_that_says_error_is_one_even_with_rows() -> None:
    assert list_outcome({"status": "error", "code": 1502, "data": []}).code == "1502"


@pytest.mark.parametrize("body", [{}, {"message": "hi"}, {"status": "fine", "data": []}, {"status": None, "data": []}])
def test_a_list_answer_that_tells_neither_is_odd(body: dict[str, Any]) -> None:
    with pytest.raises(OddAnswer):
        list_outcome(body)


# ── anything at all ────────────────────────────────────────────────────────────────────────────────
def _says_something_or_is_odd(body: bytes) -> None:
    """Raises whatever is not OddAnswer."""
    for outcome in (outcome_of, list_outcome):
        try:
            found = outcome(read_answer(body))
        except OddAnswer:
            continue
        assert found.code == "" or found.code.isdigit()
        assert len(found.message) <= 300
        found.message.encode()


LIST = json.dumps({"status": "success", "total": 2, "data": [
    {"callId": "c1", "callernumber": "+9198", "queueTime": "2026-09-21 10:00:00"}, {"id": 2, "status": 1.5}]}).encode()


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_say_something_or_are_odd(body: bytes) -> None:
    _says_something_or_is_odd(body)


@settings(max_examples=400, deadline=None)
@given(whole=st.sampled_from([RECORDED, LIST]), start=st.integers(0, 200), length=st.integers(0, 8),
       put=st.binary(max_size=4) | st.sampled_from([b"NaN", b"1e999", b"[", b"{", b'"', b"\\ud800", b"null", b"\xff"]))
def test_any_damage_to_a_real_answer_says_something_or_is_odd(
        whole: bytes, start: int, length: int, put: bytes) -> None:
    _says_something_or_is_odd(whole[:start] + put + whole[start + length:])
