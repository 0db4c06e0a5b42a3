"""What a wall shows: its figures, the lists of its layout, and how far all of it can be trusted.

A picture of parts only, made for an audience as the board's is: two walls with the same queues, layout and letters
share every byte. Numbers are masked here, before anything is a frame; names of callers come only where a wall may show
them, and DeepCall's own sentences never do.
"""

import msgspec
from django.template.loader import get_template
from django.utils import translation

from dashboard import words
from dashboard.access import Audience, shown_text
from dashboard.breach_views import outs
from dashboard.frames import Picture, asof, feed_view, scene
from dashboard.mirror import Feeds, Mirror
from dashboard.models import Display
from dashboard.number_boxes import queues_of
from dashboard.wall_figures import figure_parts
from dashboard.wall_lists import queue_part, waiting_part

PREFIXES = {"kpis": "kpi-box-", "queues": "q-", "waiting": "waiting", "feeds": "feed-", "banners": "banner-",
            "look": "look"}  # of the parts, by where the page has them
WITH_QUEUES, WITHOUT_CALLS = ("queues", "mixed"), ("queues", "numbers")


def wall_picture(mirror: Mirror, audience: Audience, now: int) -> Picture:
    """What a wall of this audience should show at `now` (epoch ms)."""
    feeds, seen = scene(mirror, audience, now)
    with translation.override(audience.language):
        queues, found, count = queues_of(mirror, feeds, audience.scope), outs(mirror, feeds, audience.scope), 0
        parts = figure_parts(mirror, feeds, queues, found, audience, now)
        if audience.layout in WITH_QUEUES:
            lines, count = queue_part(mirror, feeds, queues, found, audience, now)
            parts |= lines
        if audience.layout not in WITHOUT_CALLS:
            parts["waiting"] = waiting_part(mirror, feeds, seen, audience, now)
        parts |= {"look": _look(audience, count)} | _feeds(feeds, audience)
    return Picture(parts=parts, asof=asof(feeds))


def settings_of(display: Display) -> dict[str, object]:
    """What the page needs to know of its screen; the rest is in its frames. Opening hours: minutes of the day."""
    opens, closes = display.opens_at, display.closes_at
    return {"opens": None if opens is None else 60 * opens.hour + opens.minute,
            "closes": None if closes is None else 60 * closes.hour + closes.minute}


def _look(audience: Audience, queues: int) -> str:
    """By what a page is laid out: when it changes, the page is loaded anew. And how many queues there are in all."""
    return get_template("dashboard/_wall_look.html").render({
        "audience": audience, "queues": queues, "has_queues": bool(audience.scope)}).strip()


def _feeds(feeds: Feeds, audience: Audience) -> dict[str, str]:
    feed_box, banner = get_template("dashboard/_feed.html"), get_template("dashboard/_banner.html")
    parts = {}
    for card, board, health in feeds:
        view = feed_view(card, board, health)
        said = words.wall_trouble(board, health.state, health.hop)
        said = msgspec.structs.replace(said, detail=shown_text(str(said.detail), audience))  # a code may be a number
        short = msgspec.structs.replace(view, trouble=said)
        parts[f"feed-{card.pk}"] = feed_box.render({"feed": view}).strip()
        parts[f"banner-{card.pk}"] = banner.render({"feed": short}).strip()
    return parts
