"""What the admin's lists have in common: an action on something that is no row is one on nothing."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext


def is_key(text: str) -> bool:
    """Whether a row can have it as its key."""
    return text.isascii() and text.isdigit() and len(text) < 19


class RowActions:
    """Before the ModelAdmin among a class's bases. Django hands to the database whatever the browser says is chosen."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *rest: Any) -> HttpResponse | None:
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if all(map(is_key, keys)):
            answer: HttpResponse | None = super().response_action(request, queryset, *rest)  # type: ignore[misc]
            return answer
        said = gettext("Nothing was changed: choose from the list.")
        self.message_user(request, said, messages.WARNING)  # type: ignore[attr-defined]
        return None
