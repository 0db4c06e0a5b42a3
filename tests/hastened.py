"""`serve` whose clock runs many times as fast: `CLOCK_SINCE=… CLOCK_SPEED=60 python -m tests.hastened serve --port …`.

The product has no such switch: what it knows of time is replaced from outside, before it begins. All clocks run from
`CLOCK_SINCE` (epoch ms) on, as `simulate --speed` runs its own: the wall's, the monotonic one, the loop's and the
database's, so that polls, pauses, leases and gaps keep their proportions. What is bound to the machine and not to
the centre is given more of that time: a list's answer, a lease, its renewals, readings of the database, Redis.
"""

import os
import selectors
import sys
import time

SPEED, SINCE_MS = float(os.environ["CLOCK_SPEED"]), int(os.environ["CLOCK_SINCE"])
MACHINE = SPEED / 6  # so many times longer takes what the machine does: a lease of 6 s is one real second
real_time_ns, real_monotonic, real_select = time.time_ns, time.monotonic, selectors.EpollSelector.select


def now_ms() -> int:
    return SINCE_MS + int((real_time_ns() / 1e6 - SINCE_MS) * SPEED)


def hasten() -> None:
    """Before anything of the product is imported; who took `monotonic` by name before, as threads do, keeps the real
    one."""
    import dashboard.clock

    dashboard.clock.now_ms = now_ms
    time.monotonic = lambda: real_monotonic() * SPEED

    def select(selector: selectors.EpollSelector, timeout: float | None = None) -> object:
        return real_select(selector, timeout / SPEED if timeout is not None and timeout > 0 else timeout)

    selectors.EpollSelector.select = select  # type: ignore[method-assign, assignment]


def make_room() -> None:
    """After Django is set up, before `serve` begins."""
    from django.conf import settings

    from dashboard import layer, lease, mirror, poller, station
    from queue_api import calls, client

    lease.database_now = lambda: now_ms() / 1000
    lease.TTL_S *= MACHINE
    poller.RENEW_S *= MACHINE
    station.READ_S, station.DEAF_READ_S = station.READ_S * MACHINE, station.DEAF_READ_S * MACHINE
    mirror.SILENT_S *= MACHINE
    layer.SEND_LIMIT_S, layer.JOIN_LIMIT_S = layer.SEND_LIMIT_S * SPEED, layer.JOIN_LIMIT_S * SPEED
    layer.REJOIN_S *= MACHINE
    calls.AHEAD_MS *= int(SPEED)  # a time counts as one until it is a day ahead of the machine's clock
    client.CONNECT_S *= SPEED
    assert client.QueueClient.__init__.__kwdefaults__ is not None
    client.QueueClient.__init__.__kwdefaults__["list_deadline_s"] *= SPEED
    for host in settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"]:
        host |= {name: host[name] * SPEED for name in ("socket_timeout", "socket_connect_timeout")}


if __name__ == "__main__":
    hasten()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    make_room()
    execute_from_command_line(sys.argv)
