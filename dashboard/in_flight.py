"""How many takeovers one process carries out at a time: each holds a thread for as long as DeepCall takes."""

import threading
from collections import Counter


class InFlight:
    """The clicks that are being carried out, so many at most.

    The posts of one click share a place: if one of them is sent, none may be told that nothing was.
    """

    def __init__(self, most: int) -> None:
        self._most, self._posts = most, Counter[tuple[int, str]]()
        self._lock = threading.Lock()

    def enter(self, user_id: int, key: str) -> bool:
        """Whether there is a place; then it must be left again."""
        with self._lock:
            if (user_id, key) not in self._posts and len(self._posts) >= self._most:
                return False
            self._posts[user_id, key] += 1
            return True

    def __len__(self) -> int:
        return len(self._posts)

    def leave(self, user_id: int, key: str) -> None:
        with self._lock:
            self._posts[user_id, key] -= 1
            if not self._posts[user_id, key]:
                del self._posts[user_id, key]


IN_FLIGHT = InFlight(32)
