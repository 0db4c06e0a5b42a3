"""Configuration changes reach running processes: a write to any of these bumps the "config" generation."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models import Model
from django.dispatch import Signal
from django.utils import timezone

from dashboard import client_address, generation, proof, sign_ins
from dashboard.models import Display, Queue, Seat, SignIn
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
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)


def _changed(sender: Any, **kwargs: Any) -> None:
    fields = kwargs.get("update_fields")
    if kwargs.get("raw") or (sender is User and fields is not None and set(fields) == {"last_login"}):
        return
    generation.bump(generation.CONFIG)
    if sender is Account and "created" in kwargs:
        generation.bump(generation.saved(kwargs["instance"].pk))
    transaction.on_commit(station.ring)


def _signed_in(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    before = request.session.session_key
    proof.renew(request.session)
    sign_ins.begin(request.session, user, client_address.of_request(request), request.headers.get("User-Agent", ""))
    if before and before != request.session.session_key:
        station.signed_out(before)


def _signed_out(sender: Any, request: Any, **kwargs: Any) -> None:
    """The session is flushed right after this signal; the sweep then finds it gone. Here only its sockets are told."""
    key = request.session.session_key or ""
    SignIn.objects.filter(session_key=key, ended_at=None).update(ended_at=timezone.now(), why=SignIn.Why.SIGNED_OUT)
    station.signed_out(key)

