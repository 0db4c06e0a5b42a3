from django.contrib import admin
from django.urls import include, path

handler500 = "dashboard.wall_views.failed"
urlpatterns = [
    path("", include("dashboard.urls")),
    path("admin/", admin.site.urls),
]
