"""What is said: never more than is known, always with what to do, DeepCall's own words beside ours."""

import re
from typing import Any

import pytest
from django.utils import translation

from dashboard.board import Board, Feed
from dashboard.takeover_states import CELLS
from dashboard.words import HEALTH, NOT_SENT, feed_trouble, outcome
from queue_api.errors import CODES, CREDENTIAL_CODES, RENEWABLE_CODES, VENDOR_SIDE_CODES, advice
from tests.makers import attempt

SETTLED = sorted(set(CELLS) - {"intent", "sent"})
LATER_WORDS = re.compile(r"refused|failed|not taken|nothing", re.IGNORECASE)


def spoken(state: str, **fields: Any) -> tuple[str, str, bool]:
    said = outcome(attempt(state=state, **fields))
    return str(said.title), str(said.advice), said.show_message


def trouble(state: str = "failing", hop: str = "deepcall", **feed: Any) -> str:
    return str(feed_trouble(Board(account=1, feed=Feed(health=state, **feed)), state, hop))


# ── takeovers ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("state", ["intent", "sent"])
def test_while_it_is_asked_the_name_is_said(state: str) -> None:
    assert spoken(state) == ("Sita is taking over", "asking DeepCall", False)


@pytest.mark.parametrize("state", SETTLED)
def test_every_outcome_has_a_title_of_its_own(state: str) -> None:
    titles = [spoken(other)[0] for other in SETTLED]
    assert spoken(state)[0]
    assert titles.count(spoken(state)[0]) == 1


def test_success_is_what_deepcall_said_and_not_what_happened() -> None:
    title, look, shown = spoken("accepted", message="OK")
    assert title == "Accepted by DeepCall"
    assert "shows whether it moved" in look
    assert shown


@pytest.mark.parametrize("code", ["", "502", "408", "307", "1000", *sorted(VENDOR_SIDE_CODES)])
def test_an_unknown_outcome_is_never_called_a_refusal(code: str) -> None:
    title, look, shown = spoken("unknown", code=code)
    assert title == "Outcome not known"
    assert not LATER_WORDS.search(title + look)
    assert "may have moved" in look
    assert shown


@pytest.mark.parametrize("reason", sorted(NOT_SENT))
def test_not_sent_says_why_and_that_nothing_went_out(reason: str) -> None:
    title, why, _ = spoken("not-sent", reason=reason)
    assert title == "Not sent"
    assert "Nothing was sent" in why


@pytest.mark.parametrize(("reason", "shown"), [
    ("set-up", True), ("no-connection", True), ("call-gone", False), ("old-board", False), ("interrupted", False),
])
def test_our_own_reason_is_shown_where_it_helps(reason: str, shown: bool) -> None:
    assert spoken("not-sent", reason=reason)[2] == shown


@pytest.mark.parametrize("code", sorted({code for endpoint, code in CODES if endpoint != "list"} - CREDENTIAL_CODES))
def test_a_known_code_comes_with_what_a_supervisor_can_do(code: str) -> None:
    title, look, shown = spoken("refused", code=code)
    assert title == "Refused"
    assert look == str(advice("takeover", code).supervisor) != str(advice("takeover", "4242").supervisor)
    assert shown


@pytest.mark.parametrize("code", sorted(CREDENTIAL_CODES))
def test_refused_credentials_are_said_to_be_somebodys(code: str) -> None:
    own, shared = (spoken("refused", code=code, own_session=mine)[1] for mine in (True, False))
    assert "Sita’s own session, not the account’s" in own
    assert "the account’s credentials, not Sita’s" in shared
    assert ("must be renewed" in own) == (code in RENEWABLE_CODES)


@pytest.mark.parametrize("endpoint", ["takeover", "list"])
@pytest.mark.parametrize("code", sorted({code for _, code in CODES} | {"502", "307"}))
def test_each_endpoint_and_code_has_a_title_and_a_sentence_for_each_reader(endpoint: str, code: str) -> None:
    known = advice(endpoint, code)
    assert known != advice(endpoint, "4242")
    for text in (known.title, known.supervisor, known.administrator):
        assert len(str(text)) > 3
        assert str(text)[0].isupper()


def test_an_unknown_code_is_said_to_be_one() -> None:
    assert spoken("refused", code="4242")[1:] == (
        "This code is not in our list; DeepCall’s own words are beside it.", True)


def test_busy_says_when_to_try_again() -> None:
    title, look, _ = spoken("busy", code="1501")
    assert title == "Busy"
    assert "few seconds" in look


def test_the_same_code_means_what_the_endpoint_makes_of_it() -> None:
    assert advice("takeover", "1000").title != advice("list", "1000").title
    assert advice("takeover", "1501") == advice("list", "1501")


def test_outcomes_are_translated_when_shown_and_not_before() -> None:
    said = outcome(attempt(state="refused", code="1000"))
    with translation.override("de"):
        assert str(said.title)
    assert not isinstance(said.title, str)


# ── feeds ──────────────────────────────────────────────────────────────────────────────────────────
def test_every_health_has_a_word() -> None:
    assert set(HEALTH) == {"fresh", "late", "failing", "incomplete", "never"}


def test_a_good_feed_says_nothing() -> None:
    assert trouble("fresh", "") == ""


def test_without_a_poller_the_server_is_to_be_looked_at() -> None:
    for state in ("late", "never", "failing"):
        assert "poller has not been heard" in trouble(state, "poller")


def test_no_answer_names_address_and_network() -> None:
    said = trouble(message="No answer within 5 s.", endpoint_down=True)
    assert said == ("DeepCall is not answering (No answer within 5 s). "
                    "An administrator should check the base URL and the network.")


@pytest.mark.parametrize(("code", "message", "words"), [
    ("1014", "Invalid token", ("Token invalid or expired", "1014", "Invalid token", "Renew the credentials")),
    ("401", "HTTP status 401.", ("Not let in", "Renew the credentials")),
    ("1032", "Oops", ("trouble of its own", "1032", "Oops", "support")),
    ("502", "HTTP status 502.", ("error page", "base URL")),
    ("307", "HTTP status 307.", ("redirect", "base URL")),
    ("4242", "Flux", ("4242", "Flux", "support what this code means")),
])
def test_a_failing_feed_says_what_an_administrator_can_do(code: str, message: str, words: tuple[str, ...]) -> None:
    said = trouble(code=code, message=message)
    assert [word for word in words if word not in said] == []
    assert not re.search(r"\.\.|\.\)", said)


def test_an_answer_that_is_no_list_is_not_called_silence() -> None:
    said = trouble(message="The answer is not JSON.")
    assert "not JSON" in said
    assert "not answering" not in said
    assert ".." not in said


def test_a_list_cut_short_says_how_many_are_missing() -> None:
    said = trouble("incomplete", "", declared_total=900, received=500)
    assert "900" in said
    assert "500" in said
    assert "limit" in said


def test_an_error_that_came_before_the_first_list_is_no_crash() -> None:
    assert str(feed_trouble(None, "failing", "deepcall")) == ""
    assert str(feed_trouble(None, "never", "")) == "No list has come from DeepCall yet."
