"""Admin forms that ask for one's own password when a secret is changed and the last proof is too old (S19).

Without a fresh proof the form has one field more. It is demanded only when a secret was touched; what else was typed is
kept, and secrets, which are never shown back, are to be typed again.
"""

from copy import copy
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import proof


def own_password() -> forms.CharField:
    widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "current-password"})
    return forms.CharField(label=gettext_lazy("Your own password"), required=False, strip=False, max_length=4096,
                           widget=widget, help_text=gettext_lazy(
                               "Asked for when you change a secret and gave your password more than 10 minutes ago."))


class Guarded:
    """Mixed into a form. `secrets`: its fields, or its inlines', that nobody changes without a proof; None: all."""

    request: HttpRequest
    secrets: frozenset[str] | None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data  # type: ignore[misc, attr-defined]
        if not proof.fresh(self.request) and self.touched():
            self.add_error(proof.FIELD, [  # type: ignore[attr-defined]
                proof.refusal(self.request), _("Type the secrets on this page again, too: they are never shown back.")])
        return cleaned

    def touched(self) -> bool:
        if self.secrets is None or not self.secrets.isdisjoint(self.changed_data):  # type: ignore[attr-defined]
            return True
        inlined = (name.rpartition("-") for name, text in self.data.items() if text)  # type: ignore[attr-defined]
        return any(prefix and field in self.secrets for prefix, _dash, field in inlined)


def guarded(form: Any, request: HttpRequest, secrets: frozenset[str] | None) -> Any:
    """The form class as this request gets it: itself while the proof is fresh."""
    if proof.fresh(request):
        return form
    more = {proof.FIELD: own_password(), "request": request, "secrets": secrets}
    return type(form)(form.__name__, (Guarded, form), more)


class ProofAdmin:
    """For a ModelAdmin. `secrets`: names of fields, of its inlines as well."""

    secrets: frozenset[str] = frozenset()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        own = getattr(self, "add_form", None) if obj is None else None
        form = kwargs.get("form") or own or self.form  # type: ignore[attr-defined]
        kwargs["form"] = guarded(form, request, self.secrets)
        return super().get_form(request, obj, change=change, **kwargs)  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The password comes right after the fields that it is for; before the inlines when those have them."""
        given = list(super().get_fieldsets(request, obj))  # type: ignore[misc]
        if proof.fresh(request):
            return given
        holding = [at for at, (_name, more) in enumerate(given) if not self.secrets.isdisjoint(flatten(more["fields"]))]
        given.insert(max(holding, default=len(given) - 1) + 1, (None, {"fields": (proof.FIELD,)}))
        return given


class PasswordProof:
    """For the people's admin: the page on which somebody's password is set."""

    change_user_password_template = "admin/auth/user/set_password.html"  # noqa: S105 - a template

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        mine = copy(self)  # Django asks the admin for the form, and this one is of this request alone
        mine.change_password_form = guarded(  # type: ignore[attr-defined]
            self.change_password_form, request, None)  # type: ignore[attr-defined]
        answer: HttpResponse = super(PasswordProof, mine).user_change_password(  # type: ignore[misc]
            request, id, form_url)
        return answer


def asked_first(admin: Any, request: HttpRequest, action: str, title: str) -> HttpResponse | None:
    """The page that asks for one's own password before an action of a list; None when the proof is fresh."""
    if proof.fresh(request):
        return None
    context = admin.admin_site.each_context(request) | {
        "title": title, "opts": admin.opts, "action": action, "field": own_password().widget.render(
            proof.FIELD, None, {"id": "id_own_password", "required": True, "autofocus": True}),
        "chosen": request.POST.getlist("_selected_action"),
        "said": proof.refusal(request) if proof.FIELD in request.POST else ""}
    return TemplateResponse(request, "admin/own_password.html", context)
