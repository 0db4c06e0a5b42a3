from django.contrib.auth import views as auth_views
from django.urls import path

from dashboard import health, views

urlpatterns = [
    path("", views.board, name="board"),
    path("takeover/", views.takeover_call, name="takeover"),
    path("accounts/login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
