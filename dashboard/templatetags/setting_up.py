"""How far setting up is, for the head of every page an administrator sees."""

from typing import Any

from django import template

from dashboard import setup
from dashboard.clock import now_ms

register = template.Library()


@register.simple_tag
def setup_progress(user: Any) -> tuple[int, int] | None:
    """(steps done, steps) while an administrator has some left, else None."""
    return setup.progress(user, now_ms()) if user.is_authenticated else None
