from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QueueApiConfig(AppConfig):
    name = "queue_api"
    verbose_name = _("DeepCall accounts")
