"""JSON that somebody typed: what cannot be kept and read again is refused like what is no JSON at all."""

import json
from typing import Any


class StrictDecoder(json.JSONDecoder):
    """For a form's JSONField. Everything else that json raises there, Django would not take for a wrong input."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"parse_constant": _no_number})

    def decode(self, s: str, *args: Any) -> Any:
        """Raises JSONDecodeError alone: also for NaN, numbers and nesting without end, and texts no database keeps."""
        try:
            found = super().decode(s, *args)
            kept = json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError("no usable JSON", s, 0) from error
        if b"\\u0000" in kept:
            raise json.JSONDecodeError("a text with a NUL in it", s, 0)
        return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
