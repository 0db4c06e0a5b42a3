"""What an administrator chooses for a wall, and the questions such a form asks back."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.models import Display, Pairing
from dashboard.pairing import TooManyWrongCodes, waiting_for
from dashboard.wall_type import least_rows, rows_that_fit
from queue_api.models import check_zone

WHAT = ("name", "queues", "layout", "caller_names")
WHERE = ("diagonal_in", "distance_m", "oled", "language", "time_zone")
WHEN = ("opens_at", "closes_at", "expires_at")
SAID = ("message", "message_until")


class DisplayForm(forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=lambda: settings.LANGUAGES, initial="en")

    class Meta:
        model = Display
        fields = (*WHAT, *WHERE, *WHEN, *SAID)

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            check_zone(name or "UTC")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return name

    def clean_expires_at(self) -> datetime | None:
        return self._ahead("expires_at", _("That is past: to take a screen's board away now, revoke it."))

    def clean_message_until(self) -> datetime | None:
        return self._ahead("message_until", _(
            "That is past: nobody would see the message. Empty: it is shown until you clear it."))

    def _ahead(self, field: str, said: str) -> datetime | None:
        """A moment that was past before, and is not touched, is nobody's mistake now."""
        moment: datetime | None = self.cleaned_data.get(field)
        if moment is not None and field in self.changed_data and moment <= timezone.now():
            raise forms.ValidationError(said)
        return moment

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        opens, closes = data.get("opens_at"), data.get("closes_at")
        if (opens is None) != (closes is None) and not {"opens_at", "closes_at"} & self.errors.keys():
            self.add_error("closes_at", _("Give both, when it opens and when it closes, or neither."))
        return data

    def _post_clean(self) -> None:
        """Only here the model has said which sizes and distances there are."""
        super()._post_clean()  # type: ignore[misc]
        if not {"layout", "diagonal_in", "distance_m"} & self.errors.keys():
            data = self.cleaned_data
            self._check_type(data["layout"], data["diagonal_in"], data["distance_m"])

    def _check_type(self, layout: str, diagonal_in: float, distance_m: float) -> None:
        """A wall that cannot be read from where people sit is refused here and not found out there."""
        fit, least = rows_that_fit(layout, diagonal_in, distance_m), least_rows(layout)
        if fit >= least:
            return
        self.add_error("layout", _(
            "From %(distance)s m the letters on %(size)s inches must be so large that only %(rows)d rows fit; this "
            "layout needs %(least)d. Choose another layout, a larger screen, or a shorter distance."
        ) % {"distance": f"{distance_m:g}", "size": f"{diagonal_in:g}", "rows": max(0, fit), "least": least})


class PairForm(DisplayForm):
    """A new display: the code must be one that a waiting screen shows. Wrong ones are counted per administrator."""

    code = forms.CharField(
        label=gettext_lazy("Code"), max_length=20, required=False,
        help_text=gettext_lazy("The six letters and digits that the screen shows at /wall/."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    by_link = forms.BooleanField(
        label=gettext_lazy("Without a code"), required=False,
        help_text=gettext_lazy("For a device nobody can reach: when you save, you are shown a link that makes one "
                               "browser this wall."))
    administrator: User  # set by DisplayAdmin.get_form
    pairing: Pairing | None = None

    field_order = ("code", "by_link")

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if "code" not in self.errors and not data.get("by_link"):
            try:
                self.pairing = self._waiting(data.get("code", ""))
            except forms.ValidationError as error:
                self.add_error("code", error)
        return data

    def _waiting(self, code: str) -> Pairing:
        if not code:
            raise forms.ValidationError(_("This field is required."))
        try:
            pairing = waiting_for(code, self.administrator)
        except TooManyWrongCodes as error:
            raise forms.ValidationError(_("Too many wrong codes. Try again in 10 minutes.")) from error
        if pairing is None:
            raise forms.ValidationError(_("No screen shows this code now. Read it again: it changes every 10 minutes."))
        return pairing
