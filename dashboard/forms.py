"""Forms outside the admin."""

from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.utils.translation import gettext_lazy as _

from dashboard.first_run import is_code


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
