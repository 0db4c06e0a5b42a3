"""Checking a password costs a tenth of a second of a core on purpose. A burst of sign-ins must not stall the boards."""

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from dashboard import client_address, throttle
from dashboard.known_browser import browsers_of
from dashboard.throttle import Knock

T = TypeVar("T")

AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
GATE = threading.BoundedSemaphore(AT_ONCE)
CODE_GATE = threading.Lock()
WAIT_S = "callboard.sign_in_wait_s"  # in request.META: for how long the try was refused


class GatedBackend(ModelBackend):
    """Django's own, with at most half the cores at work on passwords; the others wait in their own threads.

    Who has given too many wrong ones is refused before anything is computed, known or not.
    """

    def authenticate(self, request: HttpRequest | None, username: str | None = None, password: str | None = None,
                     **more: Any) -> User | None:
        if request is None or username is None or password is None:  # no browser asks
            with GATE:
                return super().authenticate(request, username, password, **more)
        one = throttle.knock(username, client_address.of_request(request), browsers_of(request))
        if _must_wait(request, one):
            return None
        with GATE:  # asked once more where few can be at once: of many tries together no more than these slip by
            if _must_wait(request, one):
                return None
            user = super().authenticate(request, username, password, **more)
            throttle.wrong(one) if user is None else throttle.right(one)
        return user


def code_checked(request: HttpRequest, user: User, check: Callable[[], T]) -> T | None:
    """What checking a code of this person's second factor comes to; None when too many wrong ones came before.

    One at a time: of many tries at the same moment no more slip by than there are processes.
    """
    with CODE_GATE:
        one = throttle.knock_with_code(user, client_address.of_request(request), browsers_of(request))
        if _must_wait(request, one):
            return None
        found = check()
        throttle.right(one) if found else throttle.wrong(one)
        return found


def _must_wait(request: HttpRequest, one: Knock) -> bool:
    seconds = throttle.wait(one).seconds
    if seconds:
        request.META[WAIT_S] = seconds
    return bool(seconds)
