"""Settings out of the environment, and keys made at first start: in the data directory, for the owner alone."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def given(name: str, default: str = "") -> str:
    """A setting as it stands in the environment or in the file that NAME_FILE names; without white space around it."""
    path = os.environ.get(f"{name}_FILE")
    return (Path(path).read_text() if path else os.environ.get(name, "")).strip() or default


def given_list(name: str, default: list[str]) -> list[str]:
    return [part.strip() for part in given(name).split(",") if part.strip()] or default


def given_number(name: str, default: int) -> int:
    """A whole number above zero. Raises ImproperlyConfigured for anything else."""
    text = given(name, str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise ImproperlyConfigured(f"{name} must be a whole number above zero, not {text!r}.")
    return int(text)


def new_secret_key() -> str:
    return get_random_secret_key()


def new_field_key() -> str:
    return Fernet.generate_key().decode()


def layer_name(secret_key: str) -> str:
    """What the processes of one installation call each other by. A Redis server's channels are one space for all of
    its numbered databases: under a common name two installations would show each other's calls."""
    return f"callboard-{hashlib.sha256(f'layer {secret_key}'.encode()).hexdigest()[:16]}"


def kept_key(path: Path, make: Callable[[], str]) -> str:
    """The key in `path`; made there first when missing. Two processes starting at once get the same one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(make())
        try:
            os.link(draft, path)  # fails when another process was first: then its key counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
