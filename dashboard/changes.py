"""Configuration changes reach running processes: a write to any of these bumps the "config" generation."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models import Model
from django.dispatch import Signal

from dashboard import generation
from dashboard.models import Display, Queue, Seat
from dashboard.station import station
from queue_api.models import Account

WATCHED: tuple[type[Model], ...] = (Account, Queue, Seat, Display, User, Group)
RELATIONS: tuple[Any, ...] = (
    Seat.queues.through, Display.queues.through, User.groups.through, User.user_permissions.through,
    Group.permissions.through,
)


def connect(saved: Signal, deleted: Signal, related: Signal) -> None:
    for model in WATCHED:
        saved.connect(_changed, sender=model)
        deleted.connect(_changed, sender=model)
    for through in RELATIONS:
        related.connect(_changed, sender=through)
    user_logged_out.connect(_signed_out)


def _changed(sender: Any, **kwargs: Any) -> None:
    fields = kwargs.get("update_fields")
    if kwargs.get("raw") or (sender is User and fields is not None and set(fields) == {"last_login"}):
        return
    generation.bump(generation.CONFIG)
    if sender is Account and "created" in kwargs:
        generation.bump(generation.saved(kwargs["instance"].pk))
    transaction.on_commit(station.ring)


def _signed_out(sender: Any, request: Any, **kwargs: Any) -> None:
    """The session is flushed right after this signal; the sweep then finds it gone. Here only its sockets are told."""
    station.signed_out(request.session.session_key or "")

