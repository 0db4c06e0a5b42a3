"""Wall time as everything here counts it."""

import time


def now_ms() -> int:
    """Epoch milliseconds UTC."""
    return time.time_ns() // 1_000_000
