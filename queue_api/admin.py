"""Accounts in the admin: every setting of the contract, credentials that go in and never come out, a live test."""

import asyncio
import time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queue_api.client import Listing, QueueClient
from queue_api.credentials import Unsealable
from queue_api.errors import QueueApiError, advice
from queue_api.models import Account


class WriteOnlyField(forms.CharField):
    """A secret: empty keeps what is stored, “-” removes it, nothing is ever rendered back."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"})
        super().__init__(required=False, max_length=2000, widget=widget, **kwargs)


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    ssid = WriteOnlyField(label=gettext_lazy("session id (ssid)"))
    token = WriteOnlyField(label=gettext_lazy("token"))

    class Meta:
        model = Account
        fields = "__all__"  # noqa: DJ007 - sealed columns are not editable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, stored in (("ssid", self.instance.ssid_sealed), ("token", self.instance.token_sealed)):
            self.fields[name].help_text = (
                _("Stored. Leave empty to keep it, type - to remove it.") if stored else _("Not stored."))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        has_ssid = cleaned.get("ssid") != "-" and bool(cleaned.get("ssid") or self.instance.ssid_sealed)
        has_token = cleaned.get("token") != "-" and bool(cleaned.get("token") or self.instance.token_sealed)
        if has_token and not cleaned.get("user_id"):
            self.add_error("user_id", _("A token needs the user id it belongs to."))
        if not has_ssid and not (has_token and cleaned.get("user_id")):
            raise forms.ValidationError(_("Give credentials: a session id, or a user id with its token."))
        return cleaned

    def save(self, commit: bool = True) -> Account:
        for name, put in (("ssid", self.instance.set_ssid), ("token", self.instance.set_token)):
            if text := self.cleaned_data.get(name):
                put("" if text == "-" else text)
        account: Account = super().save(commit)
        return account


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = AccountForm
    list_display = ("name", "base_url", "enabled", "poll_interval_s", "time_zone")
    list_filter = ("enabled",)
    search_fields = ("name", "base_url")
    change_form_template = "admin/queue_api/account/change_form.html"
    fieldsets = (
        (None, {"fields": ("name", "enabled", "base_url", "line")}),
        (gettext_lazy("Credentials"), {
            "fields": ("ssid", "user_id", "token"),
            "description": gettext_lazy(
                "Either way, or both: lists then use the user id and token, takeovers the session id."),
        }),
        (gettext_lazy("Lists"), {"fields": ("poll_interval_s", "time_zone", "misses", "list_path", "list_request")}),
        (gettext_lazy("Takeover"), {"fields": ("naming", "agent_meaning")}),
        (gettext_lazy("Dialect"), {"fields": ("field_names", "state_words")}),
    )

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        typed = form.cleaned_data["base_url"].strip()
        if typed != obj.base_url:
            messages.info(request, _("The base URL was cut to %(url)s: paths are added by Callboard.") % {
                "url": obj.base_url})

    def response_add(self, request: HttpRequest, obj: Account, post_url_continue: str | None = None) -> HttpResponse:
        return self._tested(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Account) -> HttpResponse:
        return self._tested(request, obj) or super().response_change(request, obj)

    def _tested(self, request: HttpRequest, account: Account) -> HttpResponse | None:
        """After “Save and test connection”: asks DeepCall once, says what came, and stays on the page."""
        if "_test" not in request.POST:
            return None
        fine, sentence = test_connection(account)
        messages.add_message(request, messages.SUCCESS if fine else messages.ERROR, sentence)
        return HttpResponseRedirect(reverse("admin:queue_api_account_change", args=[account.pk]))


def test_connection(account: Account) -> tuple[bool, str]:
    """Asks for the list once; whether it was usable, and a sentence an administrator can act on."""
    began = time.monotonic()
    try:
        listing = asyncio.run(_list_once(account))
    except QueueApiError as error:
        return False, describe_failure(error)
    except (Unsealable, ValueError) as error:
        return False, str(error)
    return True, describe_listing(listing, int((time.monotonic() - began) * 1000))


async def _list_once(account: Account) -> Listing:
    client = QueueClient(account.upstream())
    try:
        return await client.list_calls()
    finally:
        await client.aclose()


def describe_listing(listing: Listing, took_ms: int) -> str:
    text = _("DeepCall answered in %(took)s ms: %(rows)s rows, %(calls)s calls.") % {
        "took": took_ms, "rows": listing.received, "calls": len(listing.calls)}
    if listing.unusable:
        text += " " + _("%(count)s rows have no usable identity: check the field names.") % {"count": listing.unusable}
    if listing.unknown_words:
        text += " " + _("State words not known: %(words)s.") % {"words": ", ".join(sorted(listing.unknown_words))}
    if not listing.complete:
        text += " " + _("DeepCall declares %(total)s calls: the list is incomplete.") % {
            "total": listing.declared_total}
    return text


def describe_failure(error: QueueApiError) -> str:
    known, message = advice("list", error.code), error.message.rstrip(".")
    if not error.code:
        return _("No usable answer: %(message)s. Check the base URL and the network.") % {"message": message}
    return _("%(title)s (code %(code)s: %(message)s). %(advice)s") % {
        "title": known.title, "code": error.code, "message": message, "advice": known.administrator}
