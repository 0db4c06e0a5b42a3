"""The record in the admin: to look at, to search and to take along as CSV, never to change."""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from dashboard import record_words as words
from dashboard.models import AuditEvent
from dashboard.record_csv import MOST_LINES, csv_file
from dashboard.row_actions import RowActions

LONGEST_SEARCH = 200
PARTS_OF_A_DATE = ("year", "month", "day", "gte", "lt")


class RecordAdmin(RowActions, admin.ModelAdmin):  # type: ignore[type-arg]
    """`asked_by`: what may stand in the address beside the date. `date_hierarchy` is the moment, the first column."""

    change_list_template = "admin/dashboard/record_list.html"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    asked_by: frozenset[str] = frozenset()
    file_name = ""

    class Media:
        css = {"all": ["board/record.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the page itself offers: nobody learns a hidden column by asking what it begins with."""
        return lookup in self.asked_by or lookup in {f"{self.date_hierarchy}__{part}" for part in PARTS_OF_A_DATE}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What only the database or the calendar finds to be nonsense is nonsense like any other."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DatabaseError) as error:
            raise IncorrectLookupParameters(error) from error

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Each word is looked for in every column: thousands of them would keep the process from its screens."""
        if len(search_term) > LONGEST_SEARCH:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/", self.admin_site.admin_view(self.as_csv), name=name), *super().get_urls()]

    def as_csv(self, request: HttpRequest) -> HttpResponse:
        """The lines that the list would show, page after page, in its columns and order."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"../?{ERROR_FLAG}=1")
        head = [str(label_for_field(name, self.model, self)) for name in self.list_display]
        return csv_file(self.file_name, head, self._rows(found[: MOST_LINES + 1]))

    def _rows(self, found: QuerySet[Any]) -> Iterator[list[object]]:
        columns = [getattr(self, name, None) or attrgetter(name) for name in map(str, self.list_display[1:])]
        for line in found.iterator(chunk_size=2000):
            yield [self.moment(line).isoformat(timespec="milliseconds"), *(column(line) for column in columns)]

    def moment(self, line: Any) -> datetime:
        at: datetime = getattr(line, str(self.date_hierarchy))
        return at.astimezone(UTC)


class KindFilter(admin.SimpleListFilter):
    title = gettext_lazy("what happened")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, str(label)) for kind, label in words.KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class CodeFilter(admin.SimpleListFilter):
    title = gettext_lazy("code")
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = AuditEvent.objects.order_by().values_list(KT("detail__code"), flat=True).distinct()
        return [(code, code) for code in sorted(code for code in codes if code)]

    def has_output(self) -> bool:
        return True  # also while there is no code: a filter that is not there would let every line through

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(detail__code=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditAdmin(RecordAdmin):
    list_display = ("when", "seq", "what", "actor_name", "account_name", "call_ref", "caller", "address", "code",
                    "message", "tries")
    list_filter = (KindFilter, "account_name", CodeFilter, "at")
    search_fields = ("actor_name", "detail__by", "detail__who", "call_ref", "=detail__caller_last4", "^detail__address",
                     "=detail__code")
    search_help_text = gettext_lazy("A name, a call, the caller’s last four digits, an address or a code.")
    date_hierarchy = "at"
    ordering = ("-seq",)
    asked_by = frozenset({"kind", "code", "account_name", "account_name__isnull", "attempt_id"})
    file_name = "record"
    fieldsets = (
        (None, {"fields": ("when", "seq", "what", "actor_name", "account_name", "call_ref", "caller", "where")}),
        (gettext_lazy("What DeepCall answered"), {
            "fields": ("code", "message", "why_not_sent", "tries_listed", "for_administrator")}),
        (gettext_lazy("The line as it is chained"), {
            "fields": ("kind", "attempt_id", "detail", "previous_hash", "hash")}),
    )

    @admin.display(description=gettext_lazy("time (UTC)"), ordering="at")
    def when(self, event: AuditEvent) -> str:
        return f"{self.moment(event):%Y-%m-%d %H:%M:%S}"

    @admin.display(description=gettext_lazy("what happened"), ordering="kind")
    def what(self, event: AuditEvent) -> str:
        return words.what_happened(event)

    @admin.display(description=gettext_lazy("caller"))
    def caller(self, event: AuditEvent) -> str:
        return words.caller(words.told(event.detail).caller_last4)

    @admin.display(description=gettext_lazy("from"))
    def address(self, event: AuditEvent) -> str:
        return words.told(event.detail).address or ""

    @admin.display(description=gettext_lazy("from"))
    def where(self, event: AuditEvent) -> str:
        line = words.told(event.detail)
        return words.where(line.address, line.session)

    @admin.display(description=gettext_lazy("code"))
    def code(self, event: AuditEvent) -> str:
        return words.told(event.detail).code

    @admin.display(description=gettext_lazy("message"))
    def message(self, event: AuditEvent) -> str:
        return words.told(event.detail).message

    @admin.display(description=gettext_lazy("tries"))
    def tries(self, event: AuditEvent) -> str:
        return words.counted(words.told(event.detail).tries)

    @admin.display(description=gettext_lazy("tries"))
    def tries_listed(self, event: AuditEvent) -> SafeString:
        return words.listed(words.told(event.detail).tries)

    @admin.display(description=gettext_lazy("reason"))
    def why_not_sent(self, event: AuditEvent) -> str:
        return words.why_not_sent(words.told(event.detail).reason)

    @admin.display(description=gettext_lazy("an administrator can"))
    def for_administrator(self, event: AuditEvent) -> str:
        return words.for_administrator(words.told(event.detail).code)
