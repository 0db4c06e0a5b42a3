from typing import Any

from django.apps import AppConfig
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save, pre_delete
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    name = "dashboard"
    verbose_name = _("Boards")

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers what `check --deploy` asks
        from dashboard import (
            impossible_keys,  # noqa: F401 - registers a lookup
            roles,
        )
        from dashboard.borrowing import borrowed
        from dashboard.changes import connect
        from dashboard.purge import forget
        from dashboard.release import version
        from queue_api import turns
        from queue_api.models import Account

        version()
        turns.take = borrowed
        post_migrate.connect(_use_wal, sender=self)
        post_migrate.connect(roles.keep, sender=self)
        connect(post_save, post_delete, m2m_changed)
        pre_delete.connect(forget, sender=Account)


def _use_wal(using: str = "default", **kwargs: Any) -> None:
    """Once after migrate: SQLite keeps the mode in the file. Readers then never wait for a writer."""
    from django.db import connections

    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
