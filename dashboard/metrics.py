"""`/metrics`: how this process does, in Prometheus' text format. No calls and no people; accounts, queues by number.

Nothing is computed before somebody asks. Each process tells of itself alone: behind a proxy each is asked by its own
address. Who may ask, and why: docs/decisions/011-metrics-and-logs.md.
"""

import ipaddress
import time
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from dashboard import counts, second_factor
from dashboard.access import WALL, may_set_up
from dashboard.clock import now_ms
from dashboard.in_flight import IN_FLIGHT
from dashboard.member import Member
from dashboard.mirror import Health, in_force_s
from dashboard.queue_metrics import LABELS, queue_numbers
from dashboard.station import Station, station
from dashboard.takeover_states import State

HEALTHS = ("fresh", "late", "failing", "incomplete", "never")
OUTCOMES = tuple(state for state in State if state not in (State.INTENT, State.SENT))
FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return HttpResponse(
            "Only for this machine, administrators and who has the token: send Authorization: Bearer with the value of "
            "CALLBOARD_METRICS_TOKEN.\n", status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_read(request: HttpRequest) -> bool:
    """Who has the token; administrators; and, where no token is set and no proxy stands in front, this machine."""
    if settings.METRICS_TOKEN:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.casefold() == "bearer" and constant_time_compare(given.strip(), settings.METRICS_TOKEN):
            return True
    elif _from_this_machine(request):
        return True
    return may_set_up(request.user) and second_factor.satisfied(request)


def _from_this_machine(request: HttpRequest) -> bool:
    """Not what a proxy brings: through it the whole world comes from loopback. One that adds no header must be told
    of (CALLBOARD_BEHIND_PROXY), as for everything else."""
    if settings.BEHIND_PROXY or any(request.headers.get(name) for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@cache
def registry() -> CollectorRegistry:
    """One of our own: libraries that fill the global one say nothing here."""
    own = CollectorRegistry()
    ProcessCollector(registry=own)
    own.register(Numbers(station))
    return own


@cache
def version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"callboard_{name}", what, value=value)


def _count(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"callboard_{name}", what, value=value)


Labelled = Iterable[tuple[tuple[object, ...], float]]


def _gauges(name: str, what: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = GaugeMetricFamily(f"callboard_{name}", what, labels=labels)
    for label, value in values:
        family.add_metric([str(part) for part in label], value)
    return family


def _counts(name: str, what: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = CounterMetricFamily(f"callboard_{name}", what, labels=labels)
    for label, value in values:
        family.add_metric([str(part) for part in label], value)
    return family


class Numbers(Collector):
    """Reads the one station. In a request's thread while the loop goes on: what the loop changes is copied first."""

    def __init__(self, source: Station) -> None:
        self.station = source

    def describe(self) -> list[Metric]:
        return []  # nothing is collected only to be registered

    def collect(self) -> Iterator[Metric]:
        yield _gauges("info", "Always 1; the version is in the label.", ("version",), [((version(),), 1)])
        yield from self._feeds()
        for name, what, values in queue_numbers(self.station.mirror, now_ms()):
            yield _gauges(name, what, LABELS, values)
        yield from self._polls()
        yield from self._sockets(self.station.hub.members)
        yield from self._takeovers()
        yield from self._ground()

    def _feeds(self) -> Iterator[Metric]:
        mirror, now = self.station.mirror, now_ms()
        accounts = [(card, mirror.boards.get(card.pk)) for card in list(mirror.cards.values())]
        yield _gauges(
            "board_age_seconds", "Since DeepCall last gave a usable list. Absent: there never was one.", ("account",),
            [((card.pk,), max(0.0, (now - board.heard_at) / 1000))
             for card, board in accounts if board is not None and board.heard_at is not None])
        healths: list[tuple[int, Health]] = [(card.pk, mirror.health(card, now)) for card, _board in accounts]
        yield _gauges(
            "feed_state", "1 for the state the account's feed is in.", ("account", "state"),
            [((pk, state), float(health.state == state)) for pk, health in healths for state in HEALTHS])
        yield _gauges("poll_interval_seconds", "In which lists come now; after failures the pauses are longer.",
                      ("account",), [((card.pk,), in_force_s(card, board)) for card, board in accounts])
        leads = self.station.polls.leading()
        yield _gauges("poller_leads", "1 where this process asks DeepCall for the account.", ("account",),
                      [((card.pk,), float(card.pk in leads)) for card, _board in accounts])

    def _polls(self) -> Iterator[Metric]:
        yield _counts("polls", "Lists asked for, by what came of it: ok, DeepCall's or HTTP's code, or a word.",
                      ("account", "code"), counts.polls.all())
        family = HistogramMetricFamily(
            "callboard_poll_duration_seconds", "From asking for a list to its end, good or bad.", labels=("account",))
        for account, durations in list(counts.poll_s.items()):
            buckets, sum_s = durations.buckets()
            family.add_metric([str(account)], buckets, sum_s)
        yield family

    def _sockets(self, members: list[Member]) -> Iterator[Metric]:
        walls = sum(member.viewer.audience.screen == WALL for member in members)
        yield _gauges("sockets", "Screens that are connected to this process.", ("kind",),
                      [(("board",), len(members) - walls), (("wall",), walls)])
        backlogs = [member.backlog for member in members]
        yield _gauge("sockets_behind", "Screens that wait for a full board because they did not keep up.",
                     sum(member.behind for member in members))
        yield _gauge("backlog_bytes", "Sent to screens and not acknowledged, together.", sum(backlogs))
        yield _gauge("backlog_max_bytes", "The same of the one that has most.", max(backlogs, default=0))
        seen = counts.sockets
        yield _count("frames_sent", "Messages written to sockets: changes, full boards, ticks, notices.", seen.frames)
        yield _count("sent_bytes", "Their bytes, before what the network adds.", seen.bytes)
        yield _count("full_boards_sent", "Full boards among them: one per connection, more is trouble.", seen.full)
        yield _count("resyncs", "Full boards that screens asked for.", seen.resyncs)
        yield _count("messages_received", "Messages from screens.", seen.messages)
        yield _counts("sockets_closed", "Sockets that ended, by close code; 0 is any other.", ("code",),
                      [((code,), number) for code, number in seen.closed.all()])
        yield _counts("sockets_refused", "Handshakes that were refused.", ("reason",),
                      [(("path",), seen.unknown_paths), (("busy",), seen.busy)])

    def _takeovers(self) -> Iterator[Metric]:
        states = dict(counts.takeovers.all())
        yield _count("takeovers_begun", "Attempts that were written down here.", states.get(State.INTENT, 0))
        yield _counts("takeovers", "Attempts by the outcome they came to here; an accepted one may come to another.",
                      ("outcome",), [((str(state),), states.get(state, 0)) for state in OUTCOMES])
        yield _counts("takeover_answers", "Answers to clicks, by HTTP status.", ("status",),
                      [((status,), number) for status, number in counts.takeover_answers.all()])
        buckets, sum_s = counts.takeover_s.buckets()
        yield HistogramMetricFamily("callboard_takeover_duration_seconds",
                                    "DeepCall's part of a takeover, all tries together.", buckets, sum_s)
        yield _gauge("takeovers_in_flight", "Takeovers that this process carries out just now.", len(IN_FLIGHT))

    def _ground(self) -> Iterator[Metric]:
        layer = self.station.layer
        yield _count("layer_failures", "Failed calls of the channel layer.", layer.failures)
        yield _count("layer_messages_received", "Messages from the channel layer, one's own included.", layer.received)
        yield _gauge("layer_reachable", "1 while the channel layer works.", layer.reachable)
        yield _gauge("database_reading_age_seconds", "Since the database was last read through; usually below 6.",
                     time.monotonic() - self.station.read_at)
        yield _count("boards_refused", "Boards from a poller that had lost its lease.", self.station.mirror.refused)
        yield _counts("http_requests", "Requests that reached the application.", ("status",),
                      [((status,), number) for status, number in counts.requests.all()])
        yield _gauge("draining", "1 while this process ends.", self.station.draining)
