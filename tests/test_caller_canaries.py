"""That the search for canaries finds what is there, and nothing else: without that its silence would prove nothing."""

import pytest

from tests.caller_canaries import Canary, marks_in, numbers_in

ONE = Canary("Quokka desk", "919871234321", "+91 98712-34321", "Quentin Quill", "qk-1", "Quincy")
OTHER = Canary("Walrus desk", "919885556677", "+919885556677", "Wanda Wax", "wl-1", "Walter")


@pytest.mark.parametrize("text", [
    "919871234321", "+91 98712 34321", "+91-98712-34321", "<b>Call of 9871234321 failed</b>", "98.71.23.43",
    "x9198712y", '{"html": "number 9 1 9 8 7 1 2"}', "98712 ---- 34321", "12 9198712 34", "1795880000000 9871234",
    "９８７１２３４",
])
def test_a_planted_number_is_found_in_any_spelling(text: str) -> None:
    normal = text.translate({0xFF10 + digit: str(digit) for digit in range(10)})
    assert numbers_in(normal, [ONE, OTHER]) == {ONE}


@pytest.mark.parametrize("text", [
    "", "•••• 4321", "919871", "919871xx34321", '<time data-since="1798712343211"></time>', "91 98 71 x 23 43",
    "at 2026-11-28 16:49:87.123432", 'id="c-1-x9871234321aaaaaaaaaaaaaa"', 'data-with="1-a9871234321aaaaa"',
])
def test_what_is_no_number_of_theirs_is_not_found(text: str) -> None:
    assert numbers_in(text, [ONE, OTHER]) == set()


@pytest.mark.parametrize(("text", "found"), [
    ("<b>Quokka desk</b>", {"Quokka desk"}), ("Quentin Quill", {"Quentin Quill"}), ('data-call-id="qk-1"', {"qk-1"}),
    ("•••• 4321", {"4321"}), ("(4321)", {"4321"}), ("Wanda Wax 6677", {"Wanda Wax", "6677"}), ("a4321b 14321", set()),
    ('data-key="0-01798712344321-x"', set()),
])
def test_names_queues_calls_and_endings_are_found(text: str, found: set[str]) -> None:
    assert marks_in(text, [ONE, OTHER]) == found
