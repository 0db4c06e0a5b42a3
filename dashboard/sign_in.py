"""Checking a password costs a tenth of a second of a core on purpose. A burst of sign-ins must not stall the boards."""

import os
import threading
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

GATE = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))


class GatedBackend(ModelBackend):
    """Django's own, with at most half the cores at work on passwords; the others wait in their own threads."""

    def authenticate(self, request: HttpRequest | None, username: str | None = None, password: str | None = None,
                     **more: Any) -> User | None:
        with GATE:
            return super().authenticate(request, username, password, **more)
