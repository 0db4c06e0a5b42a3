"""One call -> its row, one attempt -> its cell: what is in them, for whom, and what must never be."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.access import Audience, shown_text
from dashboard.overlay import SHOWN_S, AttemptNews
from dashboard.refs import call_ref
from dashboard.rows import Flags, cell_view, elapsed, row_html, sort_key, with_elapsed
from queue_api.calls import Call, CallState
from tests.makers import EVERYTHING, NORTHGATE, NOW, NUMBER, attempt, call, live, nameless

FULL = Flags(full_numbers=True, may_take_over=True, own_session=False, language="en")
MASKED = Flags(full_numbers=False, may_take_over=True, own_session=False, language="en")
LOOKING = Flags(full_numbers=False, may_take_over=False, own_session=False, language="en")
OWN_PHONE = Flags(full_numbers=False, may_take_over=True, own_session=True, language="en")
OWN_AGENT = Flags(full_numbers=False, may_take_over=True, own_session=False, language="en", own_agent=True)


def row(of: Call, news: AttemptNews | None = None, flags: Flags = MASKED, **fields: Any) -> str:
    return row_html(NORTHGATE, live(of, **fields), news, flags, NOW)


def field(html: str, name: str) -> str:
    found = re.search(rf'data-field="{name}"[^>]*>(.*?)</span', html, re.DOTALL)
    assert found is not None, f"no {name} in {html}"
    return re.sub(r"<[^>]+>", "", found[1])


# ── what a row says ────────────────────────────────────────────────────────────────────────────────
def test_a_row_names_the_call_as_deepcall_and_as_we_do() -> None:
    html = row(call("c-1"))
    for attribute in ('id="c-1-c-1"', 'data-call-id="c-1"', 'data-call-ref="1-c-1"', 'data-account="Northgate"'):
        assert attribute in html


def test_a_row_shows_queue_kind_state_and_agent() -> None:
    html = row(call(kind="IBD", state=CallState.HOLD, agent_id="1102", agent_name="Ben"))
    assert [field(html, name) for name in ("queue", "kind", "state", "agent")] == ["Sales", "IBD", "On hold", "Ben"]


def test_what_is_not_known_is_a_dash() -> None:
    html = row(call(caller="", queue_name="", queue_id="", kind="", agent_id="", agent_name=""))
    assert [field(html, name) for name in ("caller", "queue", "kind", "agent")] == ["–"] * 4


def test_ids_stand_in_for_missing_names() -> None:
    html = row(call(queue_name="", queue_id="302", agent_id="1102"))
    assert (field(html, "queue"), field(html, "agent")) == ("302", "1102")


@pytest.mark.parametrize("state", CallState)
def test_each_state_has_its_word_and_its_attribute(state: CallState) -> None:
    html = row(call(state=state))
    assert f'data-state="{state.value}"' in html
    assert field(html, "state")


def test_times_are_moments_and_never_texts() -> None:
    html = row(call(entered_at=NOW - 90_000), since=NOW - 60_000)
    assert (field(html, "state-time"), field(html, "total-time")) == ("", "")
    assert f'data-field="state-time" data-since="{NOW - 60_000}"' in html
    assert f'data-field="total-time" data-since="{NOW - 90_000}"' in html


def test_a_lower_bound_is_marked() -> None:
    html = row(call(), at_least=True, total_at_least=True)
    assert html.count('data-at-least="yes" title="at least"') == 2
    assert "data-at-least" not in row(call())


def test_a_call_missing_from_the_newest_list_is_marked() -> None:
    assert 'data-missed="yes"' in row(call(), missed=1)
    assert "data-missed" not in row(call())


def test_upstream_text_is_escaped_wherever_it_stands() -> None:
    evil = '"><script>alert(1)</script>'
    news = attempt(state="refused", code=evil[:16], message=evil, actor_name=evil)
    html = row(call(evil, caller_name=evil, queue_name=evil, kind=evil, agent_name=evil, caller=evil), news, FULL)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 5


@given(st.text(max_size=30))
def test_a_reference_is_safe_in_ids_and_addresses(call_id: str) -> None:
    assert re.fullmatch(r"1-[A-Za-z0-9_-]{1,64}", call_ref(1, call(call_id or "x")))


def test_one_call_id_in_two_accounts_has_two_references() -> None:
    assert call_ref(1, call("a")) != call_ref(2, call("a"))
    assert call_ref(1, nameless()) != call_ref(2, nameless())


# ── order ──────────────────────────────────────────────────────────────────────────────────────────
def test_waiting_comes_first_and_the_longest_before_the_rest() -> None:
    calls = {
        "talking": live(call(state=CallState.TALKING), NOW - 9000), "new": live(call(), NOW),
        "old": live(call(), NOW - 5000), "ringing": live(call(state=CallState.RINGING), NOW - 1),
        "hold": live(call(state=CallState.HOLD), NOW), "odd": live(call(state=CallState.UNKNOWN), NOW - 99_000),
    }
    order = sorted(calls, key=lambda name: sort_key(calls[name], "1-a"))
    assert order == ["old", "new", "ringing", "hold", "talking", "odd"]


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_keys_compare_as_text_like_the_times_behind_them(first: int, second: int) -> None:
    assert (sort_key(live(call(), first), "a") < sort_key(live(call(), second), "a")) == (first < second)


# ── masking ────────────────────────────────────────────────────────────────────────────────────────
def test_a_masked_row_shows_the_last_four_digits_only() -> None:
    assert field(row(call()), "caller") == "•••• 5678"


def test_the_right_shows_the_whole_number() -> None:
    assert field(row(call(), flags=FULL), "caller") == NUMBER


@pytest.mark.parametrize("of", [
    call(), nameless(), nameless(state=CallState.TALKING), call(caller_name=NUMBER), call(caller_name=f"+{NUMBER}"),
    call(caller_name="Khan (+91 98123 45678)"), call(caller="", caller_name="91-981-234-5678"),
])
@pytest.mark.parametrize("flags", [MASKED, LOOKING, OWN_PHONE])
def test_a_full_number_is_never_in_a_masked_row(of: Call, flags: Flags) -> None:
    for state in ("sent", "accepted", "refused", "unknown", "not-sent"):
        news = attempt(of.key, state, message=f"Call of {NUMBER} cannot be taken", reason="set-up")
        html = row(of, news, flags)
        assert "98123" not in re.sub(r"[ -]", "", html), html


def test_a_call_without_an_id_is_named_by_a_hash_and_not_by_its_number() -> None:
    html = row(nameless(), flags=FULL)
    ids = re.findall(r'(?:id|value|data-call-id|data-call-ref|data-key)="([^"]*)"', html)
    assert len(ids) >= 6
    assert not [name for name in ids if NUMBER[-4:] in name]


@pytest.mark.parametrize(("text", "shown"), [
    ("Mr Khan", "Mr Khan"), ("Room 4410", "Room 4410"), ("", ""), (NUMBER, "•••• 5678"),
    ("Khan +91 98123-45678 (home)", "Khan •••• 5678 (home)"),
])
def test_numbers_in_names_are_masked_and_the_rest_stays(text: str, shown: str) -> None:
    assert shown_text(text, EVERYTHING) == shown


def test_other_numbers_in_a_vendors_message_stay() -> None:
    news = attempt(state="refused", code="1999", message=f"Ticket 202611231 for {NUMBER}")
    assert "<q>Ticket 202611231 for •••• 5678</q>" in row(call(), news)
    assert f"<q>Ticket 202611231 for {NUMBER}</q>" in row(call(), news, FULL)


@pytest.mark.parametrize("other", ["919870011122", "+91 98700-11122", "098700 11122", "+4412345699"])
def test_another_callers_number_in_a_vendors_message_is_masked_too(other: str) -> None:
    html = row(call(), attempt(state="refused", code="1999", message=f"The agent talks to {other} now"))
    assert "talks to •••• now" in html  # not even its end: it may be of a foreign queue
    assert other in row(call(), attempt(state="refused", code="1999", message=f"With {other}"), FULL)


# ── the takeover cell ──────────────────────────────────────────────────────────────────────────────
def test_without_the_right_there_is_no_button_whatever_the_state() -> None:
    for news in (None, attempt(state="sent"), attempt(state="refused")):
        assert "<button" not in row(call(), news, LOOKING)


def test_with_the_right_the_button_names_whose_phone_rings() -> None:
    assert "rings Front desk" in row(call())
    assert "rings you" in row(call(), flags=OWN_PHONE)
    assert "Front desk" not in row(call(), flags=OWN_PHONE)


@pytest.mark.parametrize("text", [
    "Caller 919812345678, 2001 is busy", "Call 919812345678 1501", "919812345678/2", "919812345678-01",
    "+91 98123 45678",
])
def test_what_stands_beside_a_callers_number_does_not_hide_it_from_the_mask(text: str) -> None:
    shown = shown_text(text, Audience(), "5678")
    assert "98123" not in shown
    assert "•••• 5678" in shown


def test_another_number_than_the_callers_stays_as_it_is() -> None:
    assert shown_text("Ticket 12345678901", Audience(), "5678") == "Ticket •••• 5678"  # it could be
    assert shown_text("Ticket 111122223", Audience(), "5678") == "Ticket 111122223"


def test_an_account_that_wants_a_second_click_says_so_on_its_buttons() -> None:
    html = row_html(msgspec.structs.replace(NORTHGATE, arm_first=True), live(call()), None, MASKED, NOW)
    assert 'data-arm="yes"' in html
    assert 'data-arm="yes"' not in row(call())


def test_what_is_confirmed_shows_no_code_of_an_earlier_answer() -> None:
    html = row(call(agent_id="1101"), attempt(state="confirmed", code="1009", agent="Sita", agent_id="1101"))
    assert "1009" not in html
    assert "Now with Sita" in html


@pytest.mark.parametrize(("card", "flags", "says"), [
    ({}, OWN_AGENT, "rings Front desk"), ({"taking": True}, OWN_AGENT, "rings you"),
    ({"taking": True}, MASKED, "rings Front desk"),
    ({"own_session_required": True}, MASKED, "needs your session"),
    ({"own_session_required": True}, OWN_PHONE, "rings you"),
])
def test_the_button_says_before_the_click_whose_phone_it_will_be(
    card: dict[str, Any], flags: Flags, says: str
) -> None:
    html = row_html(msgspec.structs.replace(NORTHGATE, **card), live(call()), None, flags, NOW)
    assert f"<small>{says}</small>" in html


@pytest.mark.parametrize(("state", "cell", "disabled"), [
    ("intent", "pending", True), ("sent", "pending", True), ("accepted", "accepted", True),
    ("unknown", "unknown", True), ("refused", "refused", False), ("busy", "busy", False),
    ("not-sent", "not-sent", False), ("abandoned", "abandoned", False),
])
def test_the_cell_follows_the_table_and_the_button_stays(state: str, cell: str, disabled: bool) -> None:
    html = row(call(), attempt(state=state))
    assert f'data-takeover="{cell}"' in html
    assert ('aria-disabled="true"' in html) is disabled
    assert 'id="t-1-c-1"' in html


def test_a_pending_takeover_names_who_and_since_when() -> None:
    html = row(call(), attempt(state="sent", began=NOW - 3000))
    assert "Sita is taking over" in html
    assert f'class="for" data-since="{NOW - 3000}"' in html


def test_a_refusal_shows_code_the_vendors_words_and_advice() -> None:
    html = row(call(), attempt(state="refused", code="4242", message="Zebra crossing"))
    assert 'data-code="4242"' in html
    assert "<q>Zebra crossing</q>" in html
    assert 'class="advice"' in html


def test_an_outcome_leaves_the_row_after_a_minute_with_a_newer_revision() -> None:
    news = attempt(state="refused", version=7)
    shown = cell_view(NORTHGATE, "1-a", news, MASKED, NOW + SHOWN_S * 1000 - 1)
    over = cell_view(NORTHGATE, "1-a", news, MASKED, NOW + SHOWN_S * 1000)
    assert (shown.state, over.state) == ("refused", "idle")
    assert over.rev > shown.rev


def test_an_open_attempt_stays_however_old() -> None:
    assert cell_view(NORTHGATE, "1-a", attempt(state="unknown"), MASKED, NOW + 10**9).state == "unknown"


@given(st.lists(st.tuples(st.sampled_from(["intent", "sent", "accepted", "refused"]), st.integers(0, 200_000)),
                min_size=1, max_size=6))
def test_revisions_only_grow(steps: list[tuple[str, int]]) -> None:
    now, revisions = NOW, [cell_view(NORTHGATE, "1-a", None, MASKED, NOW).rev]
    for version, (state, later) in enumerate(steps, 1):
        news = attempt(state=state, version=version, changed=now)
        revisions.append(cell_view(NORTHGATE, "1-a", news, MASKED, now).rev)
        now += later
        revisions.append(cell_view(NORTHGATE, "1-a", news, MASKED, now).rev)
    assert revisions == sorted(revisions)


# ── first paint ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("milliseconds", "text"), [
    (0, "0:00"), (-5000, "0:00"), (999, "0:00"), (61_000, "1:01"), (3_599_999, "59:59"), (3_600_000, "1:00:00"),
    (36_061_000, "10:01:01"),
])
def test_elapsed_time_reads_like_a_clock(milliseconds: int, text: str) -> None:
    assert elapsed(milliseconds) == text


def test_first_paint_fills_every_time_and_nothing_else() -> None:
    html = row(call(entered_at=NOW - 3_700_000), attempt(state="sent", began=NOW - 3000), at_least=True)
    painted = with_elapsed(html, NOW + 1000)
    assert (field(painted, "state-time"), field(painted, "total-time")) == ("≥ 0:01", "1:01:41")
    assert f'data-since="{NOW - 3000}">0:04</span>' in painted
    assert re.sub(r"(≥ )?[0-9]+(:[0-9]{2}){1,2}</", "</", painted) == html


# ── numbers where nobody looks for them ────────────────────────────────────────────────────────────
@pytest.mark.parametrize("call_id", [NUMBER, f"{NUMBER}-1102", f"in_{NUMBER[2:]}", "98123-45678", f"x{NUMBER[:9]}"])
@pytest.mark.parametrize("flags", [MASKED, FULL])
def test_a_call_id_that_is_made_of_the_number_is_not_in_a_masked_row(call_id: str, flags: Flags) -> None:
    html = re.sub(r"[-_ ]", "", row(call(call_id), flags=flags))
    assert ("98123" in html) is (flags is FULL)
    assert f'data-call-ref="1-{call_id}"' not in row(call(call_id), flags=flags)  # one reference for all


@pytest.mark.parametrize("call_id", ["c-1", "179588113700051", "5678", f"{NUMBER[-6:]}77"])
def test_other_call_ids_are_shown_as_they_are(call_id: str) -> None:
    assert f'data-call-id="{call_id}"' in row(call(call_id))


@pytest.mark.parametrize("field_name", ["queue_name", "agent_name", "kind", "caller_name"])
@pytest.mark.parametrize("text", [f"Desk {NUMBER}", "+91 98123 -- 45678", "(98123)  -  45678 Rao"])
def test_no_text_of_a_call_shows_a_number_to_who_may_not_see_it(field_name: str, text: str) -> None:
    of = call(**{field_name: text})
    assert "98123" not in row(of)
    assert "98123" in row(of, flags=FULL)


def test_nor_does_the_name_of_who_has_it_now() -> None:
    news = attempt(state="confirmed", agent=f"Line {NUMBER}", agent_id="1102")
    assert "98123" not in row(call(), news)
    assert f"Now with Line {NUMBER}" in row(call(), news, FULL)
