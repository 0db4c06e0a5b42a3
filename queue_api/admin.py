"""Accounts in the admin: every setting of the contract, credentials that go in and never come out, a live test."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queue_api import inspection, turns
from queue_api.addresses import same_server
from queue_api.client import Listing, QueueClient, leave_lookups_behind
from queue_api.credentials import Unsealable
from queue_api.errors import QueueApiError, advice
from queue_api.inspect import read
from queue_api.json_text import StrictDecoder
from queue_api.models import Account

T = TypeVar("T")


class WriteOnlyField(forms.CharField):
    """A secret: empty keeps what is stored, “-” removes it, nothing is ever rendered back."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"})
        super().__init__(required=False, max_length=2000, widget=widget, **kwargs)


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    ssid = WriteOnlyField(label=gettext_lazy("Session id (ssid)"))
    token = WriteOnlyField(label=gettext_lazy("Token"))

    class Meta:
        model = Account
        fields = "__all__"  # noqa: DJ007 - sealed columns are not editable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, stored in (("ssid", self.instance.ssid_sealed), ("token", self.instance.token_sealed)):
            self.fields[name].help_text = (
                _("Stored. Leave empty to keep it, type - to remove it.") if stored else _("None yet."))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.moved = bool(self.instance.pk) and not same_server(
            cleaned.get("base_url", ""), self.initial.get("base_url", ""))
        kept = "" if self.moved else self.instance.ssid_sealed
        has_ssid = cleaned.get("ssid") != "-" and bool(cleaned.get("ssid") or kept)
        kept = "" if self.moved else self.instance.token_sealed
        has_token = cleaned.get("token") != "-" and bool(cleaned.get("token") or kept)
        if has_token and not cleaned.get("user_id"):
            self.add_error("user_id", _("A token needs the user id it belongs to."))
        if self.moved and not has_ssid and not has_token:
            raise forms.ValidationError(_(
                "The base URL leads to another server. Enter the credentials again: stored ones do not go there."))
        if not has_ssid and not (has_token and cleaned.get("user_id")):
            raise forms.ValidationError(_("Give credentials: a session id, or a user id with its token."))
        return cleaned

    def save(self, commit: bool = True) -> Account:
        if self.moved:
            self.instance.forget_secrets()
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
    formfield_overrides = {models.JSONField: {"decoder": StrictDecoder}}
    fieldsets = (
        (None, {"fields": ("name", "enabled", "base_url", "line")}),
        (gettext_lazy("Credentials"), {
            "fields": ("ssid", "user_id", "token"),
            "description": gettext_lazy(
                "Either way, or both: lists then use the user id and token, takeovers the session id."),
        }),
        (gettext_lazy("Lists"), {
            "fields": ("poll_interval_s", "idle_interval_s", "time_zone", "misses", "blank_after_s", "stuck_after_s",
                       "list_path", "list_request")}),
        (gettext_lazy("Takeover"), {"fields": ("naming", "agent_meaning", "own_session_required", "arm_first")}),
        (gettext_lazy("Dialect"), {
            "fields": ("field_names", "state_words"),
            "description": gettext_lazy("Easier on “Inspect live rows”, above: there DeepCall’s own rows are shown."),
        }),
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
        def ask_and_tell() -> None:
            fine, sentence = test_connection(account)
            messages.add_message(request, messages.SUCCESS if fine else messages.ERROR, sentence)

        transaction.on_commit(ask_and_tell)  # the page saves in a transaction, and DeepCall may take seconds
        return HttpResponseRedirect(reverse("admin:queue_api_account_change", args=[account.pk]))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.inspect_rows)
        return [path("<int:pk>/inspect/", view, name="queue_api_account_inspect"), *super().get_urls()]

    def inspect_rows(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks DeepCall once and shows what came beside what was read; “Try” reads the same answer again."""
        account = get_object_or_404(Account, pk=pk)
        if not self.has_change_permission(request, account):
            raise PermissionDenied
        form = inspection.TablesForm(account, request.POST or None)
        if form.is_valid() and "_save" in request.POST:
            return self._save_tables(request, account, form)
        evidence, sentence = inspection.unpacked(request.POST.get("answer", ""), account), ""
        if evidence is None:
            look, sentence = ask(account, QueueClient.look)
            evidence = inspection.evidence_of(look, int(time.time() * 1000)) if look else None
        context = self.admin_site.each_context(request) | {
            "opts": self.opts, "account": account, "form": form, "failure": sentence, "is_nav_sidebar_enabled": False,
            "title": _("Inspect live rows: %(account)s") % {"account": account.name},
        } | _told(account, form, evidence)
        return TemplateResponse(request, "admin/queue_api/account/inspect.html", context)

    def _save_tables(self, request: HttpRequest, account: Account, form: inspection.TablesForm) -> HttpResponse:
        account.field_names, account.state_words = form.overrides()
        account.save(update_fields=["field_names", "state_words"])
        self.log_change(request, account, _("Field names and state words changed on “Inspect live rows”."))
        messages.success(request, _("Saved. Running screens follow within 10 seconds."))
        return HttpResponseRedirect(reverse("admin:queue_api_account_inspect", args=[account.pk]))


def _told(account: Account, form: inspection.TablesForm, evidence: inspection.Evidence | None) -> dict[str, Any]:
    """What the page shows of one answer under the tables in the form."""
    if evidence is None:
        return {"field_lines": form.field_lines(None)}
    reading = read(evidence.rows or [], inspection.map_of(form, account), account.time_zone, evidence.asked_at)
    return {
        "evidence": evidence, "reading": reading, "findings": inspection.findings(evidence, reading, form.is_bound),
        "field_lines": form.field_lines(reading if evidence.rows else None),
        "words": inspection.words_seen(reading), "upstream": inspection.upstream_seen(reading),
        "rows": inspection.rows_seen(reading), "answer": inspection.packed(evidence, account),
    }


def test_connection(account: Account) -> tuple[bool, str]:
    """Asks for the list once; whether it was usable, and a sentence an administrator can act on."""
    began = time.monotonic()
    listing, failure = ask(account, QueueClient.list_calls)
    if listing is None:
        return False, failure
    nothing_read = bool(listing.received and not listing.calls)
    return not nothing_read, describe_listing(listing, int((time.monotonic() - began) * 1000))


def ask(account: Account, question: Callable[[QueueClient], Awaitable[T]]) -> tuple[T | None, str]:
    """Asks DeepCall once: its answer, or None and a sentence an administrator can act on."""
    try:
        with turns.take(account):
            return asyncio.run(_asked(account, question)), ""
    except turns.Occupied:
        return None, _("Callboard’s own list of this account is still in flight. Try again in a few seconds.")
    except QueueApiError as error:
        return None, describe_failure(error)
    except (Unsealable, ValueError) as error:
        return None, str(error)


async def _asked(account: Account, question: Callable[[QueueClient], Awaitable[T]]) -> T:
    leave_lookups_behind()
    client = QueueClient(account.upstream())
    try:
        return await question(client)
    finally:
        await client.aclose()


def describe_listing(listing: Listing, took_ms: int) -> str:
    text = _("DeepCall answered in %(took)s ms: %(rows)s rows, %(calls)s calls.") % {
        "took": took_ms, "rows": listing.received, "calls": len(listing.calls)}
    if listing.unusable:
        text += " " + _(
            "%(count)s rows have no usable identity: check the field names (“Inspect live rows”).") % {
                "count": listing.unusable}
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
