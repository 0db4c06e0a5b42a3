"""The forms for a person: one role, what they read of callers' numbers, and nothing of Django's raw permissions.

What a post does not say stays as it is. Nobody changes their own role or switches themselves off: so whoever acts is an
owner still afterwards, and no installation is left without one by a slip.
"""

from typing import Any

from django import forms
from django.contrib.auth.forms import UserChangeForm, UserCreationForm
from django.contrib.auth.models import User
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.roles import Numbers, Role, beside, give, give_numbers, numbers_given, role_of

KEPT = "kept"
OWN = ("role", "is_superuser", "is_active")  # what nobody changes of themselves

ROLE_SAYS: dict[Role, Promise] = {
    Role.NONE: gettext_lazy("Sees nothing. Who signs in is told why and whom to ask."),
    Role.OBSERVER: gettext_lazy("Watches the live calls of their queues."),
    Role.SUPERVISOR: gettext_lazy("Watches the live calls of their queues and takes them over."),
    Role.ADMINISTRATOR: gettext_lazy("Sets up accounts, people, queues and walls, and reads the record. No board."),
}
NUMBERS_SAY: dict[Numbers, Promise] = {
    Numbers.MASKED: gettext_lazy("Shown as •••• 5678, wherever this person looks."),
    Numbers.HELD: gettext_lazy("The whole number shows while it is held down. Each time is on record."),
    Numbers.WHOLE: gettext_lazy("Every number of their queues is whole on their screens."),
}


def explained(label: Promise | str, sentence: Promise | str) -> SafeString:
    return format_html("<b>{}</b> <span>{}</span>", label, sentence)


class Rights(forms.Form):
    """The two choices, for the page of a new person and for that of one who is there."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role"), required=False, widget=forms.RadioSelect(attrs={"class": "explained"}))
    numbers = forms.ChoiceField(
        label=gettext_lazy("Caller numbers"), required=False, widget=forms.RadioSelect(attrs={"class": "explained"}))
    actor: User  # set by PersonAdmin.get_form
    rest: tuple[str, ...] = ()  # rights beside the role; an owner needs none

    def offer(self, person: User | None) -> None:
        """Fills in the choices. A new person is an observer without queues: who sees nothing until queues are given."""
        role: Any = self.fields["role"]
        numbers: Any = self.fields["numbers"]
        choices = [(one.value, explained(one.label, ROLE_SAYS[one])) for one in Role]
        role.initial = role_of(person).value if person else Role.OBSERVER.value
        self.rest = beside(person) if person and not person.is_superuser else ()
        if person and self.rest:
            choices.append((KEPT, explained(_("As it is now"), _(
                "%(role)s, and rights that no role has: %(rights)s. Choosing a role takes them away.") % {
                    "role": role_of(person).label, "rights": ", ".join(self.rest)})))
            role.initial = KEPT
        role.choices = choices
        numbers.choices = [(one.value, explained(one.label, NUMBERS_SAY[one])) for one in Numbers]
        numbers.initial = (numbers_given(person) if person else Numbers.MASKED).value

    def give(self, person: User) -> None:
        """After the person is saved. Without a choice their role is what it was, and the admin open accordingly."""
        role, numbers = self.cleaned_data.get("role"), self.cleaned_data.get("numbers")
        if role != KEPT and (role or not self.rest):
            give(person, Role(role or role_of(person)))
        if numbers and numbers != numbers_given(person):
            give_numbers(person, Numbers(numbers))


class NewPersonForm(Rights, UserCreationForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer(None)
        self.fields["password1"].help_text = _("At least 8 characters, and not one of the common ones.")
        self.fields["password2"].help_text = ""

    def clean_role(self) -> str:
        return self.cleaned_data["role"] or Role.OBSERVER.value


class PersonForm(Rights, UserChangeForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer(self.instance)
        self._name_plainly()
        if self.instance.pk == self.actor.pk:
            for name in OWN:
                if name in self.fields:
                    self.fields[name].disabled = True
            self.fields["role"].help_text = _("This is you: somebody else has to change your role, or switch you off.")

    def _name_plainly(self) -> None:
        plain = {"is_superuser": (_("Owner"), _("All accounts, all queues, every right, whatever the role. Only owners "
                                                "see this and may give it.")),
                 "is_active": (_("May sign in"), _("Instead of deleting: switched off, a person is out within seconds "
                                                   "and their record stays."))}
        for name, (label, help_text) in plain.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, help_text
