"""The admin site behind a second factor; and the one place where its forms' proof is heard (dashboard/proof.py)."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase

from dashboard import proof, second_factor, waiting

V = TypeVar("V", bound=Callable[..., HttpResponseBase])


class AdminSite(admin.AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        """Asked for every page. Who is refused is led to the sign-in, which knows what is missing."""
        return super().has_permission(request) and second_factor.satisfied(request)

    def admin_view(self, view: V, cacheable: bool = False) -> V:
        @wraps(view)
        def heard(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            proof.hear(request)
            response = view(request, *args, **kwargs)
            waiting.tell(request, response)
            return response

        return super().admin_view(cast(V, heard), cacheable)
