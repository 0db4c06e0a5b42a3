from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    """Django's admin, on a site of our own."""

    default_site = "dashboard.admin_site.AdminSite"
