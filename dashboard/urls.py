from django.contrib.auth import views as auth_views
from django.urls import path

from dashboard import (
    browser_views,
    code_views,
    health,
    metrics,
    person_views,
    queue_views,
    quiet_views,
    reveal_views,
    second_factor_views,
    views,
    wall_views,
)
from dashboard.first_run import set_up_first
from dashboard.sign_in_views import AdminSignInView, SignInView, door

urlpatterns = [
    path("", set_up_first(views.board), name="board"),
    path("setup/", views.set_up, name="setup"),
    path("takeover/", views.takeover_call, name="takeover"),
    path("takeover/verdict/", views.judge_takeover, name="takeover-verdict"),
    path("reveal/", reveal_views.reveal_number, name="reveal"),
    path("me/", person_views.own_session, name="own-session"),
    path("me/quiet/", quiet_views.quiet, name="quiet"),
    path("me/sessions/", browser_views.own_browsers, name="own-browsers"),
    path("me/second-factor/", second_factor_views.own_second_factor, name="own-second-factor"),
    path("queues/", queue_views.queue_days, name="queue-days"),
    path("queues/<int:pk>/", queue_views.queue_day, name="queue-day"),
    path("queues/<int:pk>/day.csv", queue_views.queue_day_csv, name="queue-day-csv"),
    path("accounts/login/", set_up_first(door(SignInView.as_view())), name="login"),
    path("accounts/code/", door(code_views.code), name="code"),
    path("admin/login/", set_up_first(door(AdminSignInView.as_view()))),  # the same door, before the admin's own
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("wall/", wall_views.wall, name="wall"),
    path("wall/status/", wall_views.wall_status, name="wall-status"),
    path("wall/renew/", wall_views.wall_renew, name="wall-renew"),
    path("wall/link/<str:secret>", wall_views.wall_link, name="wall-link"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
