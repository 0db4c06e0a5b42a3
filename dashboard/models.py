"""What Callboard itself keeps: who may see what, the lease, the newest boards, takeovers and their record.

Signing in has models of its own in `person_models.py`, what was observed in `history_models.py`, walls in
`wall_models.py`.
"""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dashboard.history_models import CallMinute, ObservedCall, Watched
from dashboard.limits import LIMITED, misordered
from dashboard.person_models import Preference, SecondFactor, SignIn, WrongPassword
from dashboard.wall_models import Display, Pairing, WrongCode
from queue_api.credentials import Secret, seal, unseal
from queue_api.models import Account

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

__all__ = ["AuditEvent", "BoardSnapshot", "CallMinute", "Display", "Generation", "Lease", "ObservedCall", "Pairing",
           "Preference", "Queue", "Seat", "SecondFactor", "SignIn", "TakeoverAttempt", "Watched", "WrongCode",
           "WrongPassword"]


PERCENT = MaxValueValidator(100)


def limit_field(label: "StrPromise", *more: MaxValueValidator) -> "models.PositiveIntegerField[int | None, int | None]":
    return models.PositiveIntegerField(label, null=True, blank=True, validators=[MinValueValidator(1), *more])


class Queue(models.Model):
    """A queue of one account, made when it is first seen in a list. `key` = upstream id, else casefolded name."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="queues")
    key = models.CharField(_("key"), max_length=128)
    name = models.CharField(_("name"), max_length=120)
    target_percent = models.PositiveSmallIntegerField(_("service level target, %"), default=80, validators=[PERCENT])
    target_s = models.PositiveIntegerField(_("answered within, seconds"), default=20)
    wait_warn_s = limit_field(_("wait: amber after, seconds"))
    wait_crit_s = limit_field(_("wait: red after, seconds"))
    talk_warn_s = limit_field(_("talk: amber after, seconds"))
    talk_crit_s = limit_field(_("talk: red after, seconds"))
    hold_warn_s = limit_field(_("hold: amber after, seconds"))
    hold_crit_s = limit_field(_("hold: red after, seconds"))
    waiting_warn = limit_field(_("waiting: amber from, calls"))
    waiting_crit = limit_field(_("waiting: red from, calls"))
    level_warn = limit_field(_("service level: amber below, %"), PERCENT)
    level_crit = limit_field(_("service level: red below, %"), PERCENT)

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        ordering: ClassVar[list[str]] = ["account__name", "name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["account", "key"], name="one_queue_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.account.name} · {self.name}"

    def clean(self) -> None:
        """Red is worse than amber: otherwise amber would never be seen."""
        wrong = misordered([getattr(self, name) for name in LIMITED])
        if wrong:
            raise ValidationError({name: _("Red must be worse than amber, or one of them empty.") for name in wrong})


class Seat(models.Model):
    """A person's place in one account: the queues they see, their own agent id and DeepCall session."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="seats")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="seats")
    all_queues = models.BooleanField(
        _("all queues"), default=False,
        help_text=_("Every queue of this account, later ones and calls without a queue included."),
    )
    queues = models.ManyToManyField(Queue, blank=True, verbose_name=_("queues"), related_name="seats")
    agent_id = models.CharField(
        _("own agent id"), max_length=128, blank=True, help_text=_("As DeepCall knows this person."))
    ssid_sealed = models.TextField(editable=False, default="", blank=True)
    ssid_stored_at = models.DateTimeField(_("own session stored"), null=True, editable=False)
    ssid_refused_at = models.DateTimeField(_("own session refused"), null=True, editable=False)
    ssid_refused_code = models.CharField(max_length=16, editable=False, default="", blank=True)

    class Meta:
        verbose_name = _("seat")
        verbose_name_plural = _("seats")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "account"], name="one_seat_per_account")
        ]
        permissions: ClassVar[list[tuple[str, Any]]] = [
            ("watch", "May watch the live calls of their queues"),
            ("take_over", "May take over calls"),
            ("reveal_numbers", "May show a whole caller number by holding it, on record"),
            ("see_full_numbers", "May see full caller numbers"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.account}"

    def set_ssid(self, text: str) -> None:
        """Stores the person's own session, or forgets it; what DeepCall said of an earlier one is forgotten, too."""
        self.ssid_sealed = seal(text, f"seat:{self.uid}:ssid") if text else ""
        self.ssid_stored_at = timezone.now() if text else None
        self.ssid_refused_at, self.ssid_refused_code = None, ""

    def own_ssid(self) -> Secret | None:
        """The person's own session, or None. Raises `Unsealable` when the field keys do not fit."""
        return Secret(unseal(self.ssid_sealed, f"seat:{self.uid}:ssid")) if self.ssid_sealed else None


class Lease(models.Model):
    """Who may poll an account. `fence` only grows; `expires_at` is in epoch seconds of the database's clock."""

    name = models.CharField(max_length=100, unique=True)
    holder = models.CharField(max_length=64, blank=True, default="")
    fence = models.PositiveBigIntegerField(default=0)
    expires_at = models.FloatField(default=0)
    watched_until = models.FloatField(default=0)  # as expires_at: somebody in some process looks at this account
    wanted_by = models.CharField(max_length=64, blank=True, default="")  # who gets it next, until then
    wanted_until = models.FloatField(default=0)
    report = models.JSONField(default=dict)  # how polling goes, written with each renewal (dashboard/poller.py)

    def __str__(self) -> str:
        return f"{self.name} #{self.fence}"


class BoardSnapshot(models.Model):
    """The newest board of an account, sealed: for process start, a dead layer and a new leader."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="snapshot")
    fence = models.PositiveBigIntegerField()
    seq = models.PositiveBigIntegerField()
    heard_at = models.PositiveBigIntegerField(null=True)  # epoch ms; on a quiet board only this moves on
    payload = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.account_id}: {self.fence}/{self.seq}"


class Generation(models.Model):
    """A counter that only grows: "config" on every change in the admin, "takeover" on every attempt's change."""

    name = models.CharField(max_length=40, unique=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class TakeoverAttempt(models.Model):
    """One click. Committed before DeepCall is asked; the outcome after (states: `dashboard/takeover_states.py`)."""

    class State(models.TextChoices):
        INTENT = "intent", _("about to ask")
        SENT = "sent", _("asking DeepCall")
        ACCEPTED = "accepted", _("accepted by DeepCall")
        CONFIRMED = "confirmed", _("confirmed by a list")
        REFUSED = "refused", _("refused")
        BUSY = "busy", _("busy")
        NOT_SENT = "not-sent", _("not sent")
        UNKNOWN = "unknown", _("outcome not known")
        NOT_CONFIRMED = "not-confirmed", _("not confirmed")
        ENDED = "ended", _("call ended before it was known")
        ABANDONED = "abandoned", _("never known")

    class Verdict(models.TextChoices):
        MOVED = "moved", _("it moved")
        NOT_MOVED = "not-moved", _("it did not move")

    key = models.CharField(max_length=32)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    actor_name = models.CharField(max_length=150)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="attempts")
    call_key = models.CharField(max_length=300)
    call_ref = models.CharField(max_length=120)
    call_id = models.CharField(max_length=128, blank=True)
    queue_key = models.CharField(max_length=128, blank=True)
    caller_last4 = models.CharField(max_length=4, blank=True)
    agent_before = models.CharField(max_length=128, blank=True)
    agent_before_name = models.CharField(max_length=120, blank=True)
    agent_after = models.CharField(max_length=128, blank=True)
    agent_after_name = models.CharField(max_length=120, blank=True)
    agentid_sent = models.CharField(max_length=128, blank=True)
    own_session = models.BooleanField(default=False)
    address = models.GenericIPAddressField(null=True, blank=True)
    session_mark = models.CharField(max_length=8, blank=True)  # tells one person's browsers apart, opens nothing
    state = models.CharField(max_length=16, choices=State.choices, default=State.INTENT)
    is_open = models.BooleanField(default=True)
    version = models.PositiveBigIntegerField(default=0, db_index=True)
    code = models.CharField(max_length=16, blank=True)
    message = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=24, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    tried_until = models.DateTimeField(null=True, blank=True)  # when the last try was over
    list_mark = models.CharField(max_length=16, blank=True)  # of the settings that lists were read with
    looked_at = models.PositiveBigIntegerField(null=True, blank=True)  # the newest list that was counted, epoch ms
    unmoved_lists = models.PositiveSmallIntegerField(default=0)  # late ones that still show the old agent
    gone_lists = models.PositiveSmallIntegerField(default=0)  # complete ones in a row without the call
    retry_at = models.DateTimeField(null=True, blank=True)  # DeepCall asked the account to wait till then
    verdict = models.CharField(max_length=10, blank=True, choices=Verdict.choices)  # a person's, on an abandoned one
    verdict_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("takeover")
        verbose_name_plural = _("takeovers")
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["actor", "key"], name="one_attempt_per_click"),
            models.UniqueConstraint(
                fields=["account", "call_key"], condition=Q(is_open=True), name="one_open_attempt_per_call"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} → {self.call_ref}: {self.state}"


class AuditEvent(models.Model):
    """One line of the record: written once, chained to the line before, last four digits only."""

    seq = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    actor_name = models.CharField(max_length=150, blank=True)
    account_name = models.CharField(max_length=60, blank=True)
    call_ref = models.CharField(max_length=120, blank=True)
    attempt_id = models.PositiveBigIntegerField(null=True)
    detail = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering: ClassVar[list[str]] = ["-seq"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["at"], name="audit_at"), models.Index(fields=["attempt_id"], name="audit_attempt"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"
