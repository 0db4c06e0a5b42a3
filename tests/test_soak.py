"""The soak's own judgement: what counts as growing, as a traceback, and as a page's elements."""

import json
from pathlib import Path

import pytest

from tests.live_page import of_page, untimed
from tests.soak_history import Gauge, History
from tests.soak_run import tracebacks


def gauge(*values: float) -> Gauge:
    made = Gauge("memory", "MiB", slack=20, part=0.1)
    made.values += values
    return made


def test_what_stays_within_its_slack_is_flat() -> None:
    assert gauge(60, 100, 104, 99, 110, 125, 128, 129, 128, 127).verdict()[1]


def test_what_grows_beyond_it_is_not_flat() -> None:
    said, flat = gauge(60, 100, 104, 99, 110, 125, 135, 136, 137, 138).verdict()
    assert not flat
    assert "102 -> 138 MiB" in said


def test_too_few_values_are_not_judged_and_say_so() -> None:
    said, flat = gauge(100, 900).verdict()
    assert (flat, "not judged" in said) == (True, True)


LOG = """2026-11-25 02:21:09,621 {by} Unexpected exception
Traceback (most recent call last):
  File "x.py", line 1, in x
ConnectionError: reset

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
ConnectionError: refused
2026-11-25 02:21:10,097 WARNING dashboard.layer sending failed
"""


@pytest.mark.parametrize(("by", "count"), [("ERROR channels_redis.pubsub", 0), ("ERROR dashboard.poller", 1)])
def test_a_traceback_counts_unless_it_is_the_layers_own_librarys(by: str, count: int) -> None:
    assert len(tracebacks(LOG.replace("{by}", by))) == count


def test_a_difference_is_in_the_history_and_among_what_was_found(tmp_path: Path) -> None:
    history = History(tmp_path / "soak" / "history.jsonl", seed=7)
    history.wrong("a screen is not right")
    history.close()
    lines = [json.loads(line) for line in history.file.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["begin", "difference", "end"]
    assert lines[-1]["found"] == history.found == ["a screen is not right"]


def test_of_a_page_the_elements_of_frames_are_compared_without_the_texts_that_tick() -> None:
    row = '<div id="c-1" role="row"><span data-since="5">{}</span><b>Sales</b></div>'
    page = '<html><head><meta charset="utf-8"></head><body><p id="x">No</p><div id="rows">{}</div></body></html>'
    first, second = (of_page(page.format(row.format(text))) for text in ("0:01", "0:02"))
    assert list(first) == ["c-1"]
    assert first != second
    assert untimed(first["c-1"]) == untimed(second["c-1"])
