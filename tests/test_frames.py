"""What changed -> one frame per audience. A screen that got every frame shows what a fresh page would."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.access import Audience, Scope
from dashboard.agents import Queueing, SeenAgent
from dashboard.board import Board, Feed, LiveCall
from dashboard.frames import Frame, Picture, change, everything, picture
from dashboard.mirror import Card, Mirror
from dashboard.overlay import AttemptNews
from dashboard.refs import call_ref
from queue_api.calls import CallState
from tests.makers import (
    CALL_SETS,
    EVERYTHING,
    KEYS,
    NORTHGATE,
    NOW,
    NUMBER,
    SALES,
    Screen,
    attempt,
    board,
    call,
    live,
    mirror_of,
    nameless,
)

SOUTHGATE = Card(pk=2, name="Southgate", interval_s=2)
WHOLE_NORTHGATE = Audience(scope=Scope(whole=frozenset({1})))
NOBODY = Audience()


def shown(mirror: Mirror, audience: Audience = EVERYTHING, now: int = NOW) -> Picture:
    return picture(mirror, audience, now)


def kpi(of: Picture, name: str) -> tuple[str, str]:
    """(known, text) of a number."""
    found = re.search(r'data-known="(yes|no)"[^>]*>([^<]*)</b>', of.parts[f"kpi-box-{name}"])
    assert found is not None
    return found[1], found[2]


def apply(screen: Screen, frame: Frame | None) -> None:
    if frame is not None:
        screen.show(frame.html, frame.gone, frame.full)


def same(screen: Screen, expected: Picture) -> bool:
    return screen.listed() == list(expected.rows.items()) and screen.parts == expected.parts


# ── frames bring a screen from one picture to the next ─────────────────────────────────────────────
FEEDS = st.builds(Feed, health=st.sampled_from(["fresh", "incomplete", "failing"]), since=st.just(NOW),
                  code=st.sampled_from(["", "1015"]), unusable=st.integers(0, 1))
ATTEMPTS = st.tuples(KEYS, st.sampled_from(["sent", "accepted", "refused", "unknown"]), st.integers(0, 90_000))
STEPS = st.lists(st.tuples(st.sampled_from([1, 2]), CALL_SETS, FEEDS, st.none() | ATTEMPTS), min_size=1, max_size=5)
AUDIENCES = st.builds(
    Audience,
    scope=st.sampled_from([Scope(everything=True), Scope(whole=frozenset({1})), SALES.scope, Scope()]),
    full_numbers=st.booleans(), may_take_over=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(STEPS, AUDIENCES)
def test_a_screen_that_got_every_frame_shows_the_newest_picture(
    steps: list[tuple[int, dict[str, LiveCall], Feed, tuple[str, str, int] | None]], audience: Audience
) -> None:
    mirror = mirror_of(cards=(NORTHGATE, SOUTHGATE))
    screen, old, now = Screen(), picture(mirror, audience, NOW), NOW
    apply(screen, everything(old))
    for seq, (account, calls, feed, tried) in enumerate(steps, 1):
        now += 1000
        mirror.offer(Board(account=account, fence=1, seq=seq, heard_at=now, calls=calls, feed=feed))
        if tried:
            key, state, ago = tried
            mirror.note([attempt(key, state, version=seq, account=account, changed=now - ago)])
        new = picture(mirror, audience, now)
        apply(screen, change(old, new))
        assert same(screen, new)
        assert change(new, new) is None
        old = new


@settings(max_examples=30, deadline=None)
@given(CALL_SETS, CALL_SETS)
def test_a_full_frame_puts_any_screen_right(before: dict[str, LiveCall], after: dict[str, LiveCall]) -> None:
    screen = Screen()
    for seq, calls in enumerate((before, after)):
        new = shown(mirror_of(Board(account=1, fence=1, seq=seq, heard_at=NOW, calls=calls)))
        apply(screen, everything(new))
    assert same(screen, new)


def test_one_changed_call_among_a_thousand_is_one_row_in_the_frame() -> None:
    calls = [call(f"c{number}") for number in range(1000)]
    before = shown(mirror_of(board(*calls)))
    calls[500] = call("c500", agent_name="Ben")
    frame = change(before, shown(mirror_of(board(*calls))))
    assert frame is not None
    assert re.findall(r'<div role="row"[^>]* id="([^"]+)"', frame.html) == ["c-1-c500"]
    assert frame.gone == []
    assert len(frame.html.encode()) < 2000


def test_a_call_that_ended_is_named_as_gone_and_nothing_else_of_it() -> None:
    frame = change(shown(mirror_of(board(call("a"), call("b")))), shown(mirror_of(board(call("b")))))
    assert frame is not None
    assert frame.gone == ["1-a"]
    assert "c-1-a" not in frame.html


def test_an_account_that_is_gone_makes_the_frame_a_full_one() -> None:
    both = shown(mirror_of(board(call("a")), board(call("b"), account=2), cards=(NORTHGATE, SOUTHGATE)))
    screen = Screen()
    apply(screen, everything(both))
    one = shown(mirror_of(board(call("a"))))
    frame = change(both, one)
    assert frame is not None
    assert frame.full
    apply(screen, frame)
    assert same(screen, one)


def test_time_passing_is_no_change() -> None:
    mirror = mirror_of(board(call("a"), heard_at=NOW + 4000), attempts=(attempt("a", "sent"),))
    assert change(shown(mirror, now=NOW), shown(mirror, now=NOW + 4999)) is None


def test_an_outcome_leaving_its_row_is_a_change() -> None:
    mirror = mirror_of(board(call("a")), attempts=(attempt("a", "refused"),))
    frame = change(shown(mirror), shown(mirror, now=NOW + 60_000))
    assert frame is not None
    assert 'data-takeover="idle"' in frame.html


def test_rows_are_in_the_lists_order() -> None:
    mirror = mirror_of(Board(account=1, fence=1, heard_at=NOW, calls={
        "talks": live(call("talks", state=CallState.TALKING), NOW - 9), "new": live(call("new"), NOW - 1),
        "old": live(call("old"), NOW - 5)}))
    assert list(shown(mirror).rows) == ["1-old", "1-new", "1-talks"]


# ── who sees what ──────────────────────────────────────────────────────────────────────────────────
CALLS = (call("sales"), call("billing", queue_id="303"), call("none", queue_id="", queue_name=""))


@pytest.mark.parametrize(("audience", "refs"), [
    (NOBODY, set()), (SALES, {"1-sales"}), (WHOLE_NORTHGATE, {"1-sales", "1-billing", "1-none"}),
    (EVERYTHING, {"1-sales", "1-billing", "1-none", "2-sales"}),
])
def test_an_audience_sees_the_calls_of_its_queues_and_no_other(audience: Audience, refs: set[str]) -> None:
    mirror = mirror_of(board(*CALLS), board(call("sales"), account=2), cards=(NORTHGATE, SOUTHGATE))
    assert set(shown(mirror, audience).rows) == refs


def test_numbers_count_only_what_the_audience_may_see() -> None:
    mirror = mirror_of(board(*CALLS))
    assert kpi(shown(mirror, SALES), "waiting") == kpi(shown(mirror, SALES), "live") == ("yes", "1")
    assert kpi(shown(mirror, WHOLE_NORTHGATE), "waiting") == ("yes", "3")


def test_agents_of_several_accounts_stand_by_name_as_the_page_puts_them() -> None:
    def known(name: str) -> dict[str, SeenAgent]:
        return {name: SeenAgent(name, {"302": Queueing("Sales", NOW)})}

    boards = [msgspec.structs.replace(board(account=pk), agents=known("Asha") | known(name))
              for pk, name in ((1, "Zara"), (2, "Ben"))]
    parts = shown(mirror_of(*boards, cards=(NORTHGATE, SOUTHGATE))).parts
    agents = [html for name, html in parts.items() if name.startswith("a-")]
    assert [re.findall(r"<b>(\w+)</b>", html)[0] for html in agents] == ["Asha", "Asha", "Ben", "Zara"]
    keys = [re.findall(r'data-key="([^"]*)"', html)[0] for html in agents]
    assert keys == sorted(keys)


def test_a_foreign_accounts_feed_is_not_there() -> None:
    mirror = mirror_of(board(), board(account=2), cards=(NORTHGATE, SOUTHGATE))
    seen = shown(mirror, SALES)
    assert {"feed-1", "banner-1"} <= seen.parts.keys()
    assert not {"feed-2", "banner-2"} & seen.parts.keys()
    assert seen.asof == {"1": NOW}


def test_one_call_id_in_two_accounts_is_two_rows_with_their_own_takeovers() -> None:
    mirror = mirror_of(board(call("a")), board(call("a"), account=2), cards=(NORTHGATE, SOUTHGATE),
                       attempts=(attempt("a", "sent", account=2),))
    rows = shown(mirror).rows
    assert 'data-takeover="idle"' in rows["1-a"]
    assert 'data-takeover="pending"' in rows["2-a"]


@pytest.mark.parametrize("state", ["sent", "accepted", "refused", "busy", "unknown", "not-sent"])
@pytest.mark.parametrize("may_take_over", [True, False])
def test_a_full_number_is_in_no_frame_of_an_audience_without_the_right(state: str, may_take_over: bool) -> None:
    calls = call("a"), nameless(), call("b", caller_name=f"+{NUMBER}")
    attempts = tuple(attempt(one.key, state, version, message=f"{NUMBER} is gone", call_ref=call_ref(1, one))
                     for version, one in enumerate(calls, 1))
    audience = Audience(scope=Scope(everything=True), may_take_over=may_take_over)
    seen = shown(mirror_of(board(*calls, health="failing", message="No."), attempts=attempts), audience)
    for frame in (everything(seen), change(Picture(), seen)):
        assert frame is not None
        assert NUMBER not in frame.html
        assert frame.html.count("•••• 5678") >= 3


def test_with_the_right_the_whole_number_is_there() -> None:
    audience = Audience(scope=Scope(everything=True), full_numbers=True)
    assert everything(shown(mirror_of(board(call())), audience)).html.count(NUMBER) == 1


# ── the numbers ────────────────────────────────────────────────────────────────────────────────────
NAMES = ["waiting", "longest-wait", "ringing", "talking", "hold", "live"]


def test_before_the_first_list_no_number_is_known() -> None:
    for mirror in (mirror_of(), mirror_of(board(heard_at=None, health="failing")), mirror_of(cards=())):
        assert [kpi(shown(mirror), name) for name in NAMES] == [("no", "–")] * 6


def test_an_empty_list_makes_honest_zeros() -> None:
    seen = shown(mirror_of(board()))
    assert [kpi(seen, name) for name in NAMES] == [("yes", value) for value in ("0", "none", "0", "0", "0", "0")]


def test_each_state_is_counted() -> None:
    calls = [call(f"{state}{number}", state=state)
             for count, state in enumerate(CallState, 1) for number in range(count)]
    seen = shown(mirror_of(board(*calls)))
    assert [kpi(seen, name)[1] for name in NAMES if name != "longest-wait"] == ["1", "2", "3", "4", "15"]


def test_the_longest_wait_ticks_from_its_beginning_and_names_the_queue() -> None:
    mirror = mirror_of(Board(account=1, fence=1, heard_at=NOW, calls={
        "new": live(call("new"), NOW - 1), "old": live(call("old", queue_name="Billing"), NOW - 5, at_least=True)}))
    box = shown(mirror).parts["kpi-box-longest-wait"]
    assert f'data-since="{NOW - 5}" data-at-least="yes"' in box
    assert "<small>Billing</small>" in box


def test_numbers_without_one_of_the_accounts_say_which() -> None:
    box = shown(mirror_of(board(call()), cards=(NORTHGATE, SOUTHGATE))).parts["kpi-box-waiting"]
    assert "without Southgate" in box


# ── the feeds ──────────────────────────────────────────────────────────────────────────────────────
def banner(mirror: Mirror, now: int = NOW) -> str:
    return shown(mirror, now=now).parts["banner-1"]


def test_a_healthy_feeds_banner_is_there_empty_and_hidden() -> None:
    assert banner(mirror_of(board())) == '<div class="banner" id="banner-1" data-health="fresh" hidden></div>'


def test_a_failing_feed_says_since_when_and_what_to_do() -> None:
    html = banner(mirror_of(board(health="failing", code="1014", message="Token expired")))
    assert "Northgate:" in html
    assert f'since <time data-since="{NOW}" data-clock></time>' in html
    for words in ("1014", "Token expired", "Renew the credentials", f'data-since="{NOW}"'):
        assert words in html


def test_rows_left_out_are_said_although_the_feed_is_fresh() -> None:
    html = banner(mirror_of(board(call(), received=4, unusable=3)))
    assert "3 rows have no usable identity" in html
    assert "hidden" not in html


def test_an_incomplete_list_says_how_much_is_missing() -> None:
    html = banner(mirror_of(board(call(), health="incomplete", declared_total=7, received=1)))
    assert "it has 7 calls and sent 1" in html


def test_vendor_words_in_a_banner_are_escaped() -> None:
    html = banner(mirror_of(board(health="failing", code="1", message="<img src=x>")))
    assert "<img" not in html


def test_the_feed_carries_the_newest_lists_time_and_the_hop_that_fails() -> None:
    feed = shown(mirror_of(board()), now=NOW + 60_000).parts["feed-1"]
    assert 'data-health="late" data-hop="deepcall"' in feed


def test_overlay_of_another_call_touches_no_row() -> None:
    plain = mirror_of(board(call("a")))
    other: tuple[AttemptNews, ...] = (attempt("b", "sent"),)
    assert change(shown(plain), shown(mirror_of(board(call("a")), attempts=other))) is None


# ── calls that may be stuck ────────────────────────────────────────────────────────────────────────
def test_a_stuck_call_is_marked_and_left_out_of_the_longest_wait_with_a_note() -> None:
    ghost, real = live(call("ghost"), since=NOW - 90_000_000, stuck=True), live(call("real"), since=NOW - 60_000)
    mirror = mirror_of(Board(account=1, fence=1, seq=1, heard_at=NOW, feed=Feed(health="fresh"),
                             calls={"ghost": ghost, "real": real}))
    picture = shown(mirror)
    longest = picture.parts["kpi-box-longest-wait"]
    assert f'data-since="{NOW - 60_000}"' in longest
    assert "without 1 that may be stuck" in longest
    assert kpi(picture, "waiting") == ("yes", "2")
    assert ["may be stuck" in html for html in picture.rows.values()] == [True, False]


def test_when_all_who_wait_may_be_stuck_the_longest_wait_is_none_and_says_why() -> None:
    ghost = live(call("ghost"), since=NOW - 90_000_000, stuck=True)
    mirror = mirror_of(Board(account=1, fence=1, seq=1, heard_at=NOW, feed=Feed(health="fresh"),
                             calls={"ghost": ghost}))
    assert kpi(shown(mirror), "longest-wait") == ("yes", "none")
    assert "without 1 that may be stuck" in shown(mirror).parts["kpi-box-longest-wait"]


# ── numbers that grew too old ──────────────────────────────────────────────────────────────────────
def test_after_the_limit_a_number_is_a_dash_and_never_a_zero() -> None:
    mirror = mirror_of(board(call("a"), health="failing"))
    assert kpi(shown(mirror, now=NOW + 59_000), "waiting") == ("yes", "1")
    for name in ("waiting", "longest-wait", "talking", "live"):
        assert kpi(shown(mirror, now=NOW + 61_000), name) == ("no", "–")


def test_an_account_that_is_too_old_is_left_out_of_the_others_numbers_and_named() -> None:
    old, fresh = board(call("a"), health="failing"), board(call("b"), account=2, heard_at=NOW + 60_500)
    mirror = mirror_of(old, fresh, cards=(NORTHGATE, SOUTHGATE))
    picture = shown(mirror, now=NOW + 61_000)
    assert kpi(picture, "waiting") == ("yes", "1")
    assert "without Northgate" in picture.parts["kpi-box-waiting"]
    assert len(picture.rows) == 2  # its rows stay, marked; only numbers and times go
