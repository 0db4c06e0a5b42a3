from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import path

from dashboard import browser_views, health, metrics, person_views, reveal_views, views, wall_views
from dashboard.first_run import set_up_first
from dashboard.sign_in_views import AdminSignInForm, SignInView, door

admin.site.login_form = AdminSignInForm

urlpatterns = [
    path("", set_up_first(views.board), name="board"),
    path("setup/", views.set_up, name="setup"),
    path("takeover/", views.takeover_call, name="takeover"),
    path("takeover/verdict/", views.judge_takeover, name="takeover-verdict"),
    path("reveal/", reveal_views.reveal_number, name="reveal"),
    path("me/", person_views.own_session, name="own-session"),
    path("me/sessions/", browser_views.own_browsers, name="own-browsers"),
    path("accounts/login/", set_up_first(door(SignInView.as_view())), name="login"),
    path("admin/login/", set_up_first(door(admin.site.login))),  # before the admin's own, which stands behind it
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("wall/", wall_views.wall, name="wall"),
    path("wall/status/", wall_views.wall_status, name="wall-status"),
    path("wall/link/<str:secret>", wall_views.wall_link, name="wall-link"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
