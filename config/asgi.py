"""HTTP to Django, websockets to the consumers: routed and origin-checked by Channels.

Who is there the consumers find out themselves: Channels' own way has one thread for all handshakes of the process.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - after Django is set up
from channels.security.websocket import OriginValidator  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from dashboard.consumers import BoardConsumer, WallConsumer, unknown_path  # noqa: E402


def build(origins: list[str]) -> Any:
    """The application. `origins`: full scheme://host:port of every address a browser may open us under."""
    sockets = URLRouter([
        path("ws/board/", BoardConsumer.as_asgi()),
        path("ws/wall/", WallConsumer.as_asgi()),
        re_path(r"", unknown_path),  # type: ignore[arg-type]
    ])
    return ProtocolTypeRouter({
        "http": http,
        "websocket": OriginValidator(CookieMiddleware(sockets), origins),
    })


application = build(settings.ORIGINS)
