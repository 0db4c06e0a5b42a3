"""Upstream rows -> calls -> how a takeover names one."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queue_api.calls import (
    FIELD_NAMES,
    STATE_WORDS,
    Call,
    CallState,
    FieldMap,
    ParsedRows,
    find_rows,
    parse_rows,
)
from queue_api.errors import RequestInvalid
from queue_api.naming import is_masked, name_call

NOW = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
ROW: dict[str, Any] = {"callId": "c1", "callernumber": "+919812345678"}
NAMES = [(ours, upstream) for ours, names in FIELD_NAMES.items() for upstream in names]
WORDS = [(word, state) for state, words in STATE_WORDS.items() for word in words]
TIMES = ("entered_at", "answered_at")


def parsed(*rows: object, field_map: FieldMap | None = None, zone: str = "Asia/Kolkata", now: int = NOW) -> ParsedRows:
    return parse_rows(rows, field_map or FieldMap.default(), zone, now)


def the_call(row: dict[str, Any], **options: Any) -> Call:
    (call,) = parsed(row, **options).calls
    return call


def entered(value: object, **options: Any) -> int | None:
    return the_call(ROW | {"queueTime": value}, **options).entered_at


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


# ── where the rows are ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("body", [
    {"data": [ROW]}, {"response": [ROW]}, {"data": {"list": [ROW]}}, {"data": {"calls": [ROW]}},
    {"response": {"list": [ROW]}}, {"response": {"calls": [ROW]}}, {"response": {"data": [ROW]}},
])
def test_rows_are_found_wherever_the_answer_nests_them(body: dict[str, Any]) -> None:
    assert find_rows({"status": "success", **body}) == ([ROW], None)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "none"}, {"response": {"list": {}}}])
def test_an_answer_without_a_row_list_is_not_an_empty_list(body: dict[str, Any]) -> None:
    assert find_rows(body)[0] is None


@pytest.mark.parametrize("name", ["total", "count", "recordsTotal"])
@pytest.mark.parametrize("value", [40, "40"])
def test_a_declared_total_is_read_at_the_top_and_beside_the_rows(name: str, value: object) -> None:
    assert find_rows({"data": [], name: value})[1] == 40
    assert find_rows({"data": {"list": [], name: value}})[1] == 40


@pytest.mark.parametrize("value", [True, -1, 4.5, "many", None, [3], "9" * 30])
def test_a_total_that_is_no_count_is_not_declared(value: object) -> None:
    assert find_rows({"data": [], "total": value})[1] is None


# ── names ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("ours", "upstream"), NAMES)
def test_each_default_name_is_read(ours: str, upstream: str) -> None:
    base = {} if ours in ("call_id", "caller") else ROW
    value, read = {"state": ("held", CallState.HOLD)}.get(ours, ("77", "77"))
    if ours in TIMES:
        value, read = "2026-09-21T13:00:00Z", ms("2026-09-21T13:00:00+00:00")  # type: ignore[assignment]
    identity = {"agentid": "9"} if ours == "caller" else {}
    assert getattr(the_call({**base, **identity, upstream: value}), ours) == read


@pytest.mark.parametrize("unusable", ["", "  ", None, [], {}, True, "\u200b"])
def test_the_first_name_with_a_usable_value_wins(unusable: object) -> None:
    assert the_call({"callId": unusable, "call_id": "second", "id": "fourth"}).call_id == "second"


def test_unknown_extra_fields_do_not_matter() -> None:
    assert the_call(ROW | {"new": {"deep": [1]}, "": None}) == the_call(ROW)


def test_an_override_replaces_the_names_of_that_field_only() -> None:
    field_map = FieldMap.with_overrides({"caller": ["msisdn"]}, {})
    call = the_call({"callId": "c1", "msisdn": "1", "callernumber": "2", "did": "3"}, field_map=field_map)
    assert (call.caller, call.called_number) == ("1", "3")


def test_an_override_of_a_field_we_do_not_have_names_it_and_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"phone.*call_id, caller, caller_name"):
        FieldMap.with_overrides({"phone": ["msisdn"]}, {})


def test_an_override_of_a_state_we_do_not_have_names_it_and_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"parked.*waiting, ringing, talking, hold"):
        FieldMap.with_overrides({}, {"parked": ["x"]})


@pytest.mark.parametrize("table", [{"caller": "msisdn"}, {"caller": [1]}, {"caller": None}, ["caller"], None])
def test_an_override_that_is_no_list_of_texts_is_refused(table: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        FieldMap.with_overrides(table, {})


# ── text and ids ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("value", [12, "12", 12.0, " 12 "])
def test_an_id_is_the_same_as_number_and_as_text(value: object) -> None:
    assert the_call({"callId": value}).call_id == "12"


@pytest.mark.parametrize("value", [True, False, 1.5, float("nan"), float("inf"), 10**300, [], {}])
def test_what_is_no_id_identifies_nothing(value: object) -> None:
    assert parsed({"callId": value}).unusable == 1


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x9f", "\u200b", "\u200e", "\u202e", "\u2066", "\u2028", "\ufeff",
                                    "\ud800", "\U000e0041"])
def test_invisible_characters_are_taken_out_of_every_text(hidden: str) -> None:
    call = the_call({"callId": f"c{hidden}1", "callerName": f"As{hidden}ha", "groupName": f"Sa{hidden}les"})
    assert (call.call_id, call.caller_name, call.queue_name) == ("c1", "Asha", "Sales")


def test_long_texts_are_cut() -> None:
    call = the_call({"callId": "c1", "callerName": "n" * 5000, "groupId": "g" * 5000})
    assert (len(call.caller_name), len(call.queue_id)) == (120, 128)


def test_an_id_that_is_too_long_is_none_for_a_cut_one_would_name_another_call() -> None:
    assert parsed({"callId": "9" * 129}).unusable == 1
    assert the_call({"callId": "9" * 129, "call_id": "c2"}).call_id == "c2"


# ── states ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("word", "state"), WORDS)
def test_each_default_word_means_its_state(word: str, state: CallState) -> None:
    assert the_call(ROW | {"status": word}).state is state


@pytest.mark.parametrize("word", ["In Queue", "in_queue", "IN-QUEUE", " inqueue "])
def test_words_are_compared_without_case_spaces_and_dashes(word: str) -> None:
    assert the_call(ROW | {"status": word}).state is CallState.WAITING


def test_an_unknown_word_is_shown_as_unknown_and_reported() -> None:
    found = parsed(ROW | {"status": "Parked", "agentid": "7"})
    assert found.calls[0].state is CallState.UNKNOWN
    assert found.unknown_words == {"Parked"}


def test_no_more_unknown_words_are_reported_than_anybody_reads() -> None:
    found = parsed(*({"callId": number, "status": f"word {number}"} for number in range(500)))
    assert len(found.unknown_words) == 20


def test_words_of_an_account_replace_those_of_that_state() -> None:
    field_map = FieldMap.with_overrides({}, {"talking": ["BRIDGED"]})
    states = [the_call(ROW | {"status": word}, field_map=field_map).state for word in ("bridged", "answered", "held")]
    assert states == [CallState.TALKING, CallState.UNKNOWN, CallState.HOLD]


@pytest.mark.parametrize("word", ["live", "held"])
def test_a_word_of_an_account_counts_before_another_states_default(word: str) -> None:
    field_map = FieldMap.with_overrides({}, {"waiting": [word]})
    assert the_call(ROW | {"status": word}, field_map=field_map).state is CallState.WAITING


@pytest.mark.parametrize(("fields", "state"), [
    ({}, CallState.WAITING),
    ({"agentid": "7"}, CallState.RINGING),
    ({"agentName": "Asha"}, CallState.RINGING),
    ({"agentid": "7", "answerTime": "2026-09-21 18:00:00"}, CallState.TALKING),
    ({"agentid": "7", "answerTime": "0000-00-00 00:00:00"}, CallState.RINGING),
    ({"answerTime": "2026-09-21 18:00:00"}, CallState.WAITING),
])
def test_without_a_state_field_agent_and_answer_tell_the_state(fields: dict[str, Any], state: CallState) -> None:
    assert the_call(ROW | {"status": ""} | fields).state is state


# ── times ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("value", [
    1_789_996_600, "1789996600", 1_789_996_600_000, "1789996600000", 1_789_996_600.0, "2026-09-21 18:46:40",
    "2026-09-21T18:46:40", "2026-09-21T13:16:40Z", "2026-09-21T13:16:40.000+00:00", "2026-09-21T15:16:40+02:00",
    " 2026-09-21 18:46:40 ",
])
def test_every_form_of_a_time_means_the_same_moment(value: object) -> None:
    assert entered(value) == 1_789_996_600_000


@pytest.mark.parametrize("value", [
    None, "", 0, "0", "0000-00-00 00:00:00", "soon", True, [], {}, float("nan"), float("inf"), -5, "-5", 10**400,
    "1999-12-31 00:00:00", NOW + 86_400_001, "9999-12-31 23:59:59", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "1e9", "99999999999999999999", "2026-13-45 99:99:99",
])
def test_a_missing_zero_or_implausible_time_is_none(value: object) -> None:
    assert entered(value) is None


def test_a_placeholder_in_the_first_field_leaves_the_second() -> None:
    call = the_call(ROW | {"queueTime": "0000-00-00 00:00:00", "startTime": 1_789_996_600})
    assert call.entered_at == 1_789_996_600_000


def test_a_time_a_few_minutes_ahead_is_kept_for_the_vendors_clock_may_run_fast() -> None:
    assert entered(NOW + 300_000) == NOW + 300_000


def test_a_time_without_a_zone_is_in_the_accounts_zone() -> None:
    assert entered("2026-09-21 10:00:00", zone="Europe/Berlin") == ms("2026-09-21T10:00:00+02:00")


@pytest.mark.parametrize(("text", "utc"), [
    ("2026-10-25 01:59:59", "2026-10-24T23:59:59+00:00"),
    ("2026-10-25 03:00:00", "2026-10-25T02:00:00+00:00"),
    ("2026-03-29 01:59:59", "2026-03-29T00:59:59+00:00"),
    ("2026-03-29 03:00:00", "2026-03-29T01:00:00+00:00"),
])
def test_around_the_nights_that_clocks_change_times_are_right(text: str, utc: str) -> None:
    assert entered(text, zone="Europe/Berlin", now=ms("2026-10-25T12:00:00+00:00")) == ms(utc)


@pytest.mark.parametrize("text", ["2026-10-25 02:30:00", "2026-03-29 02:30:00"])
def test_an_hour_that_comes_twice_or_never_is_read_near_it_and_never_raises(text: str) -> None:
    found = entered(text, zone="Europe/Berlin", now=ms("2026-10-25T12:00:00+00:00"))
    wall = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    assert found is not None
    assert wall - 7_200_000 <= found <= wall - 3_600_000


# ── identity ───────────────────────────────────────────────────────────────────────────────────────
def test_a_call_is_known_by_its_id() -> None:
    assert the_call(ROW | {"agentid": 7}).key == "c1"


def test_without_an_id_caller_and_agent_identify_a_call() -> None:
    one, other = parsed({"callernumber": "1", "agentid": 2}, {"callernumber": "1", "agentid": 3}).calls
    assert one.key != other.key


@pytest.mark.parametrize("row", [{}, {"callernumber": "1"}, {"agentid": 2}, {"callernumber": "1", "agentName": "Asha"},
                                 None, 5, "row", [ROW]])
def test_a_row_without_an_identity_is_counted_and_the_others_stay(row: object) -> None:
    found = parsed(row, ROW)
    assert (found.unusable, len(found.calls)) == (1, 1)


def test_of_the_same_call_twice_the_first_wins_and_the_other_is_counted() -> None:
    found = parsed({"callId": 12, "callerName": "first"}, {"callId": "12", "callerName": "second"})
    assert ([call.caller_name for call in found.calls], found.duplicates) == (["first"], 1)


@pytest.mark.parametrize(("fields", "key"), [
    ({"groupId": 302, "groupName": "Sales"}, "302"), ({"groupName": "SALES"}, "sales"), ({}, ""),
])
def test_a_queue_is_known_by_its_id_else_by_its_name(fields: dict[str, Any], key: str) -> None:
    assert the_call(ROW | fields).queue_key == key


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)
ANY_ROW = st.dictionaries(st.sampled_from([upstream for _, upstream in NAMES]), ANY_JSON, max_size=12)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(ANY_ROW | ANY_JSON, max_size=6), zone=st.sampled_from(["Asia/Kolkata", "America/New_York"]))
def test_whatever_the_rows_hold_each_is_a_call_a_duplicate_or_counted(rows: list[Any], zone: str) -> None:
    found = parsed(*rows, zone=zone)
    assert len(found.calls) + found.unusable + found.duplicates == len(rows)
    assert len({call.key for call in found.calls}) == len(found.calls)


@settings(max_examples=100, deadline=None)
@given(body=st.dictionaries(st.sampled_from(["data", "response", "total", "list", "status"]), ANY_JSON, max_size=5))
def test_whatever_an_answer_holds_looking_for_rows_does_not_raise(body: dict[str, Any]) -> None:
    rows, total = find_rows(body)
    assert rows is None or isinstance(rows, list)
    assert total is None or total >= 0


# ── naming a call ──────────────────────────────────────────────────────────────────────────────────
WHOLE = {"call_id": "c1", "callernumber": "+919812345678", "agentid": "7"}


def call(**fields: str) -> Call:
    row = {"call_id": "callId", "callernumber": "callernumber", "agentid": "agentid"}
    return the_call({row[name]: value for name, value in (WHOLE | fields).items() if value})


def named(call: Call, way: str, own_agent_id: str = "") -> dict[str, str]:
    target = name_call(call, way, own_agent_id)
    return {name: value for name in WHOLE if (value := getattr(target, name))}


@pytest.mark.parametrize(("way", "fields"), [
    ("auto", {"call_id", "agentid"}),
    ("call-and-agent", {"call_id", "agentid"}),
    ("number-and-agent", {"callernumber", "agentid"}),
    ("number-and-call", {"callernumber", "call_id"}),
    ("call-only", {"call_id"}),
])
def test_each_way_names_a_call_by_its_own_fields(way: str, fields: set[str]) -> None:
    assert named(call(), way) == {field: WHOLE[field] for field in fields}


@pytest.mark.parametrize(("missing", "fields"), [
    ({"agentid": ""}, {"call_id", "callernumber"}),
    ({"agentid": "", "callernumber": ""}, {"call_id"}),
    ({"call_id": ""}, {"callernumber", "agentid"}),
    ({"callernumber": ""}, {"call_id", "agentid"}),
])
def test_auto_takes_the_best_way_the_call_allows(missing: dict[str, str], fields: set[str]) -> None:
    assert named(call(**missing), "auto").keys() == fields


def test_a_chosen_way_that_is_not_possible_falls_back() -> None:
    assert named(call(agentid=""), "number-and-agent").keys() == {"call_id", "callernumber"}


def test_the_takers_own_id_stands_in_for_the_agents() -> None:
    assert named(call(), "auto", own_agent_id="42") == {"call_id": "c1", "agentid": "42"}


@pytest.mark.parametrize("number", ["98****4821", "98XXXX4821", "98xxxx4821", "••••4821", "98#4821", "anonymous"])
def test_a_masked_number_is_never_sent(number: str) -> None:
    assert is_masked(number)
    masked = call(callernumber=number)
    for way in ("auto", "call-and-agent", "number-and-agent", "number-and-call", "call-only"):
        assert "callernumber" not in named(masked, way)


@pytest.mark.parametrize("number", ["+919812345678", "09812345678", "+91 98123-45678", "98 (123) 456.78"])
def test_a_number_that_can_be_dialled_is_not_masked(number: str) -> None:
    assert not is_masked(number)


def test_a_call_that_cannot_be_named_is_refused_with_the_missing_field() -> None:
    with pytest.raises(RequestInvalid) as caught:
        name_call(call(call_id="", callernumber="98****4821"), "number-and-agent")
    assert re.search(r"callernumber", caught.value.message)
