"""Walls: what an administrator chose for a screen, what the screen told of itself, and how it became one."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Display(models.Model):
    """A wall: what it shows, from how far it is read, and the hash of its secret.

    `revoked_at` set, or `expires_at` past: it is shown nothing any more.

    `old_token_hash` is let in too until `old_token_until`: the screen was given a new secret, and may not have it yet.
    `rotate`: it must fetch one.

    `identify`, `reload`, `test_alert` count how often each was asked for: a screen acts when a number has grown. What
    it told of itself when it connected: `version`, `resolution` (“1920×1080”, CSS pixels), `address`.
    """

    class Layout(models.TextChoices):
        NUMBERS = "numbers", _("Numbers: six large figures")
        QUEUES = "queues", _("Queues: a row for each")
        CALLS = "calls", _("Calls: the longest waiting first")
        MIXED = "mixed", _("Mixed: queues and calls by turns")

    name = models.CharField(_("name"), max_length=60)
    token_hash = models.CharField(max_length=64, unique=True, null=True, editable=False)  # noqa: DJ001 - unique, and absent until its link is opened
    old_token_hash = models.CharField(max_length=64, unique=True, null=True, editable=False)  # noqa: DJ001 - unique, and absent when it was never changed
    old_token_until = models.DateTimeField(null=True, editable=False)
    link_hash = models.CharField(max_length=64, unique=True, null=True, editable=False)  # noqa: DJ001 - unique, and absent without a link
    link_expires_at = models.DateTimeField(null=True, editable=False)
    queues = models.ManyToManyField("dashboard.Queue", verbose_name=_("queues"), related_name="displays")
    language = models.CharField(_("language"), max_length=12, default="en")
    time_zone = models.CharField(
        _("time zone"), max_length=60, blank=True,
        help_text=_("Of the clock in the corner, for example Asia/Kolkata. Empty: as the screen itself is set."),
    )
    layout = models.CharField(_("layout"), max_length=8, choices=Layout.choices, default=Layout.CALLS)
    diagonal_in = models.FloatField(
        _("screen size, inches"), default=55, validators=[MinValueValidator(10), MaxValueValidator(200)],
        help_text=_("The diagonal, as it is sold."))
    distance_m = models.FloatField(
        _("distance, metres"), default=4, validators=[MinValueValidator(0.5), MaxValueValidator(50)],
        help_text=_("From the screen to whoever sits farthest and must read it."))
    oled = models.BooleanField(_("OLED panel"), default=False, help_text=_("No pure white, and darker all in all."))
    opens_at = models.TimeField(_("opens at"), null=True, blank=True)
    closes_at = models.TimeField(
        _("closes at"), null=True, blank=True, help_text=_("Outside opening hours the screen is dimmed. Empty: never."))
    caller_names = models.BooleanField(_("names of callers"), default=False)
    message = models.CharField(_("message on the screen"), max_length=120, blank=True)
    message_until = models.DateTimeField(_("until"), null=True, blank=True)
    identify = models.PositiveIntegerField(default=0, editable=False)
    reload = models.PositiveIntegerField(default=0, editable=False)
    test_alert = models.PositiveIntegerField(default=0, editable=False)
    rotate = models.BooleanField(default=False, editable=False)
    version = models.CharField(_("version"), max_length=16, blank=True, editable=False)
    resolution = models.CharField(_("resolution"), max_length=24, blank=True, editable=False)
    address = models.GenericIPAddressField(_("address"), null=True, blank=True, editable=False)
    data_at = models.DateTimeField(_("data of"), null=True, editable=False)  # the oldest list of what it shows
    expires_at = models.DateTimeField(
        _("expires"), null=True, blank=True, help_text=_("From then on it is shown nothing. Empty: never."))
    created_at = models.DateTimeField(_("paired"), default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        verbose_name = _("wall display")
        verbose_name_plural = _("wall displays")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Pairing(models.Model):
    """A screen that shows its code and waits for an administrator. Holds neither the code nor the screen's secret."""

    token_hash = models.CharField(max_length=64, unique=True)
    code_hash = models.CharField(max_length=64, db_index=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"until {self.expires_at:%H:%M:%S}"


class WrongCode(models.Model):
    """A code that fitted no waiting screen, and who entered it: counted, so that codes cannot be guessed."""

    administrator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.administrator_id} {self.at:%H:%M:%S}"
