"""What is kept of a person beside Django's user: how their screens behave, their sign-ins, what proves them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Preference(models.Model):
    """How a person wants their own screens to behave. Without a row: the defaults."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preference")
    arm_first = models.BooleanField(_("takeovers need a second click"), default=False)
    quiet_until = models.DateTimeField(_("no alarms until"), null=True, blank=True)

    def __str__(self) -> str:
        return str(self.user)

    def quiet_until_ms(self, now: int) -> int:
        """Until when, if that is after `now`; both epoch ms. 0: the person is to be alarmed."""
        until = int(self.quiet_until.timestamp() * 1000) if self.quiet_until else 0
        return until if until > now else 0


class SignIn(models.Model):
    """One browser that somebody signed in with. Kept for a while after its end, so that its next page can say why."""

    class Why(models.TextChoices):
        SIGNED_OUT = "signed-out", _("signed out")
        IDLE = "idle", _("idle for too long")
        OVER = "over", _("at the end of its life")
        ELSEWHERE = "elsewhere", _("signed out from another browser")
        ADMINISTRATOR = "administrator", _("signed out by an administrator")
        PASSWORD = "password", _("the password was changed")
        SWITCHED_OFF = "switched-off", _("the person was switched off")
        SECOND_FACTOR = "second-factor", _("the second factor was changed")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True)
    auth_mark = models.CharField(max_length=16, blank=True)  # changes with the password
    began_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()  # at the latest, however busy it is
    ended_at = models.DateTimeField(null=True, blank=True, db_index=True)
    why = models.CharField(max_length=16, blank=True, choices=Why.choices)
    address = models.GenericIPAddressField(null=True, blank=True)
    agent = models.CharField(max_length=200, blank=True)  # as the browser names itself

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user", "address"], name="sign_in_place")]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.began_at:%Y-%m-%d %H:%M}"


class WrongPassword(models.Model):
    """One try that failed. What was typed as the name may be a password: only a keyed hash of it is kept."""

    name_hash = models.CharField(max_length=64)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("person"))
    place = models.CharField(max_length=64)  # an address, or a browser that this person has signed in with before
    address = models.CharField(_("address"), max_length=45, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("wrong password")
        verbose_name_plural = _("wrong passwords")
        ordering: ClassVar[list[str]] = ["-at"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["name_hash", "at"], name="wrong_name"),
            models.Index(fields=["address", "at"], name="wrong_address"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.at:%H:%M:%S}"


class SecondFactor(models.Model):
    """A person's authenticator app, which has proved itself with a first code, and their recovery codes.

    Seed and codes are sealed, bound to `uid` and the person. `last_step`: the newest time step that was used; none is
    used twice.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor")
    seed_sealed = models.TextField(editable=False)
    codes_sealed = models.TextField(editable=False, default="", blank=True)  # hashes of the recovery codes left
    last_step = models.PositiveBigIntegerField(default=0)
    confirmed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.user_id} since {self.confirmed_at:%Y-%m-%d}"
