"""Forms outside the admin."""

from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.utils.translation import gettext_lazy as _

from dashboard.first_run import is_code
from dashboard.models import Preference, Seat


class FirstAdministratorForm(UserCreationForm):  # type: ignore[type-arg]
    """A username and a password, typed twice; from another machine the set-up code, too."""

    code = forms.CharField(
        label=_("Set-up code"), max_length=40, strip=True,
        help_text=_("“serve” printed it when it started. It is asked for because this browser is not on that machine."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    field_order = ("code", "username", "password1", "password2")

    def __init__(self, *args: Any, needs_code: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = ""
        self.fields["password2"].help_text = ""
        self.fields["password1"].help_text = _("At least 8 characters, and not one of the common ones.")
        if not needs_code:
            del self.fields["code"]

    def clean_code(self) -> str:
        typed: str = self.cleaned_data["code"]
        if not is_code(typed):
            raise forms.ValidationError(_("This is not the set-up code that “serve” printed."))
        return typed


class OwnSessionForm(forms.Form):
    """A person's own DeepCall session for one seat: stored or removed, never shown."""

    ssid = forms.CharField(
        label=_("DeepCall session id (ssid)"), max_length=2000, required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, seat: Seat, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"auto_id": f"id_{seat.uid}_%s"})
        self.seat = seat

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        typed = cleaned.get("ssid", "")
        if "remove" not in self.data and "ssid" in cleaned and not typed:
            self.add_error("ssid", _("Paste the session id, or press Remove."))
        elif any(character.isspace() or not character.isprintable() for character in typed):
            self.add_error("ssid", _("A session id has no spaces or line breaks. Copy it again, alone."))
        return cleaned

    def save(self) -> bool:
        """Whether a session is stored now."""
        self.seat.set_ssid("" if "remove" in self.data else self.cleaned_data["ssid"])
        self.seat.save(update_fields=["ssid_sealed", "ssid_stored_at", "ssid_refused_at", "ssid_refused_code"])
        return bool(self.seat.ssid_sealed)


class PreferenceForm(forms.ModelForm):  # type: ignore[type-arg]
    """How this person wants their own screens to behave."""

    class Meta:
        model = Preference
        fields = ("arm_first",)
        labels = {"arm_first": _("Takeovers need a second click")}
        help_texts = {"arm_first": _("The first click arms the button, a second within 4 seconds asks DeepCall. Escape "
                                     "lets go.")}
