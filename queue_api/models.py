"""Account: one DeepCall account and everything needed to ask it. Knows nothing of screens."""

import hashlib
import json
import math
import uuid
import zoneinfo
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from queue_api.addresses import clean_base_url, clean_list_path
from queue_api.calls import FieldMap
from queue_api.client import Upstream
from queue_api.credentials import Credentials, Secret, seal, unseal

STUCK_AFTER_S, BLANK_AFTER_S = 4 * 3600, 60
FORBIDDEN_IN_LIST_REQUEST = ("ssid", "userid", "token")


class Account(models.Model):
    """One DeepCall account. `ssid` and `token` are kept sealed and bound to this row by `uid`."""

    class Naming(models.TextChoices):
        AUTO = "auto", _("call id and agent; without an agent caller number and call id; else call id")
        CALL_AND_AGENT = "call-and-agent", _("call id and agent id")
        NUMBER_AND_AGENT = "number-and-agent", _("caller number and agent id")
        NUMBER_AND_CALL = "number-and-call", _("caller number and call id")
        CALL_ONLY = "call-only", _("call id alone")

    class AgentMeaning(models.TextChoices):
        ON_CALL = "on-call", _("the agent who has the call now")
        TAKING = "taking", _("the agent id of the supervisor who takes it")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=60, unique=True, help_text=_("As supervisors know it."))
    enabled = models.BooleanField(_("enabled"), default=True, help_text=_("Off: DeepCall is not asked."))
    base_url = models.CharField(
        _("base URL"), max_length=300,
        help_text=_("Your DeepCall address, for example https://v4-api.deepcall.com. /api/v2 at its end is cut."),
    )
    user_id = models.CharField(_("user id"), max_length=200, blank=True)
    token_sealed = models.TextField(editable=False, default="", blank=True)
    ssid_sealed = models.TextField(editable=False, default="", blank=True)
    line = models.CharField(
        _("whose phone"), max_length=60, blank=True,
        help_text=_("Whose phone rings when a takeover uses this account's own session, for example “Front desk”. "
                    "Shown on the button to supervisors who have no session of their own."),
    )
    poll_interval_s = models.FloatField(
        _("poll interval, seconds"), default=2.0, validators=[MinValueValidator(0.5), MaxValueValidator(30)],
    )
    idle_interval_s = models.FloatField(
        _("poll interval while nobody watches, seconds"), null=True, blank=True,
        validators=[MinValueValidator(0.5), MaxValueValidator(30)],
        help_text=_("Without live calls, too; with calls it is half of it. A page that is opened ends it at once. "
                    "Empty: five times the poll interval, at most 10 seconds."),
    )
    time_zone = models.CharField(
        _("time zone"), max_length=60, default="Asia/Kolkata",
        help_text=_("Of the times DeepCall writes without a zone, for example Asia/Kolkata."),
    )
    misses = models.PositiveSmallIntegerField(
        _("lists without a call before it has ended"), default=2,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
    )
    blank_after_s = models.PositiveIntegerField(
        _("a dash instead of numbers after, seconds"), null=True, blank=True, validators=[MinValueValidator(5)],
        help_text=_("Without a good list for longer, numbers and times are not shown any more, not even greyed. "
                    "Empty: one minute."),
    )
    stuck_after_s = models.PositiveIntegerField(
        _("may be stuck after, seconds"), null=True, blank=True, validators=[MinValueValidator(60)],
        help_text=_("A call of which nothing has changed for longer is marked, and left out of the longest wait. "
                    "Empty: four hours."),
    )
    naming = models.CharField(
        _("how a takeover names the call"), max_length=20, choices=Naming.choices, default=Naming.AUTO)
    agent_meaning = models.CharField(
        _("what agentid means"), max_length=10, choices=AgentMeaning.choices, default=AgentMeaning.ON_CALL,
        help_text=_("The vendor's page does not say. As an identifier of the call it is the agent who has it."),
    )
    own_session_required = models.BooleanField(
        _("own session required"), default=False,
        help_text=_("A takeover then needs the supervisor's own DeepCall session; this account's is not used for it."),
    )
    arm_first = models.BooleanField(
        _("arm first"), default=False,
        help_text=_("The first click on a takeover button only arms it; a second one within 4 seconds asks DeepCall."),
    )
    list_path = models.CharField(
        _("list path"), max_length=100, default="queue/list",
        help_text=_("Below /api/v2/. Inferred from the sibling endpoints: change it if yours differs."),
    )
    list_request = models.JSONField(
        _("list request"), default=dict, blank=True,
        help_text=_("A JSON object merged into the list request, for example a filter or a limit."),
    )
    field_names = models.JSONField(
        _("field names"), default=dict, blank=True,
        help_text=_('Our field → upstream names tried in order, e.g. {"caller": ["msisdn"]}. Replaces the default.'),
    )
    state_words = models.JSONField(
        _("state words"), default=dict, blank=True,
        help_text=_('State → upstream words, for example {"talking": ["busy"]}. Replaces the default.'),
    )

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    # Secrets: written through these, never rendered back.
    def set_ssid(self, text: str) -> None:
        self.ssid_sealed = seal(text, f"account:{self.uid}:ssid") if text else ""

    def set_token(self, text: str) -> None:
        self.token_sealed = seal(text, f"account:{self.uid}:token") if text else ""

    def forget_secrets(self) -> None:
        """Before the address changes: no secret, the supervisors' sessions included, goes to another server."""
        self.ssid_sealed = self.token_sealed = ""
        if self.pk:
            self.seats.update(ssid_sealed="", ssid_stored_at=None, ssid_refused_at=None, ssid_refused_code="")

    def list_mark(self) -> str:
        """A mark of how lists are asked for and read: under another one a missing call or agent means nothing."""
        read = [self.base_url, self.list_path, self.list_request, self.field_names, self.state_words]
        return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16]

    def credentials(self) -> Credentials:
        """Both ways as stored. Raises `Unsealable` when the field keys do not fit."""
        ssid = unseal(self.ssid_sealed, f"account:{self.uid}:ssid") if self.ssid_sealed else ""
        token = unseal(self.token_sealed, f"account:{self.uid}:token") if self.token_sealed else ""
        return Credentials(
            ssid=Secret(ssid) if ssid else None, user_id=self.user_id, token=Secret(token) if token else None
        )

    def has_credentials(self) -> bool:
        return bool(self.ssid_sealed or (self.user_id and self.token_sealed))

    def upstream(self, own_ssid: Secret | None = None) -> Upstream:
        """What the client needs to ask this account; `own_ssid` is a supervisor's own session.

        Raises ValueError for settings that cannot be used, Unsealable for credentials that cannot be read.
        """
        check_zone(self.time_zone)
        credentials = Credentials(ssid=own_ssid, user_id="", token=None) if own_ssid else self.credentials()
        return Upstream(
            base_url=self.base_url,
            credentials=credentials,
            list_path=self.list_path,
            list_request=self.list_request,
            field_map=FieldMap.with_overrides(self.field_names, self.state_words),
            zone=self.time_zone,
            allow_private=settings.ALLOW_PRIVATE_UPSTREAM,
        )

    def clean(self) -> None:
        for field in ("list_request", "field_names", "state_words"):
            if getattr(self, field) is None:  # emptied in the form
                setattr(self, field, {})
        problems: dict[str, str] = {}
        checks: dict[str, Any] = {
            "base_url": self._clean_base_url,
            "list_path": lambda: clean_list_path(self.list_path),
            "poll_interval_s": lambda: check_finite(self.poll_interval_s),
            "idle_interval_s": lambda: check_idle(self.idle_interval_s, self.poll_interval_s),
            "time_zone": lambda: check_zone(self.time_zone),
            "list_request": lambda: check_list_request(self.list_request),
            "field_names": lambda: FieldMap.with_overrides(self.field_names, {}),
            "state_words": lambda: FieldMap.with_overrides({}, self.state_words),
        }
        for field, check in checks.items():
            try:
                check()
            except ValueError as error:
                problems[field] = str(error)
        if problems:
            raise ValidationError(problems)

    def _clean_base_url(self) -> None:
        self.base_url = clean_base_url(self.base_url, settings.ALLOW_PRIVATE_UPSTREAM)


def check_finite(number: float) -> None:
    """Comparing with NaN is always false, so the limits let it through."""
    if not math.isfinite(number):
        raise ValueError("This must be a number.")


def check_idle(idle_s: float | None, poll_s: float | None) -> None:
    if idle_s is None:
        return
    check_finite(idle_s)
    if poll_s is not None and idle_s < poll_s:
        raise ValueError("This must not be shorter than the poll interval.")


def check_zone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ValueError(f"“{name}” is no time zone. Write it like Asia/Kolkata or Europe/Berlin.") from error


def check_list_request(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError('This must be a JSON object, for example {"limit": 500}.')
    carried = [key for key in value if key.replace("_", "").lower() in FORBIDDEN_IN_LIST_REQUEST]
    if carried:
        raise ValueError(f"Credentials do not belong here ({', '.join(carried)}): use their own fields.")
