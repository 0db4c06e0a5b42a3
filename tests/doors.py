"""Every address of the product with who may come in, and a site with two accounts to try them on.

The addresses come from the URL resolver. One that stands in no list below fails the tests: whoever adds a page says
here who may open it.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard import audit, roles
from dashboard.mirror import Card, News, mirror
from dashboard.models import Display, Queue, Seat, TakeoverAttempt
from dashboard.pairing import PAGE_COOKIE, hashed
from dashboard.refs import call_ref
from dashboard.roles import Role
from queue_api.models import Account
from tests.canaries import aviary
from tests.conftest import person
from tests.makers import board, call

MODELS = ("auth/user", "queue_api/account", "dashboard/queue", "dashboard/display",
          "dashboard/auditevent", "dashboard/takeoverattempt", "dashboard/wrongpassword")
PAGES = ("", "add/", "<path:object_id>/", "<path:object_id>/change/", "<path:object_id>/delete/",
         "<path:object_id>/history/")
DOORS: dict[str, frozenset[str]] = {
    "signed in": frozenset({"", "me/", "me/quiet/", "me/sessions/", "me/second-factor/"}),
    "setting up": frozenset({"setup/"}),
    "post alone": frozenset({"takeover/", "takeover/verdict/", "reveal/", "accounts/logout/"}),
    "own queues": frozenset({"queues/"}),
    "own queue": frozenset({"queues/<int:pk>/", "queues/<int:pk>/day.csv"}),
    "signing in": frozenset({"accounts/login/", "admin/login/"}),
    "after the password": frozenset({"accounts/code/"}),
    "wall": frozenset({"wall/", "wall/status/", "wall/renew/", "wall/link/<str:secret>"}),
    "everybody": frozenset({"healthz", "readyz"}),
    "metrics": frozenset({"metrics"}),
    "staff": frozenset({
        "admin/", "admin/logout/", "admin/password_change/", "admin/password_change/done/", "admin/autocomplete/",
        "admin/jsi18n/", "admin/r/<path:content_type_id>/<path:object_id>/", "admin/auth/user/<id>/password/",
        "admin/queue_api/account/<int:pk>/inspect/", "admin/dashboard/auditevent/csv/",
        "admin/dashboard/takeoverattempt/csv/", "admin/^(?P<app_label>queue_api|dashboard|auth)/$",
        "admin/(?P<url>.*)$", *(f"admin/{model}/{page}" for model, page in itertools.product(MODELS, PAGES))}),
}


class Granted(NamedTuple):
    """What a role is given here: the queues it watches, those it takes over in, and which doors open."""

    watches: frozenset[str] = frozenset()
    takes_over: frozenset[str] = frozenset()
    sets_up: bool = False  # the set-up page, the metrics, the record and its files
    judges: bool = False  # Farah's takeover, whose outcome was never known


ALL = frozenset({"Sales", "Billing", "Harbour desk"})
SALES, HARBOUR = frozenset({"Sales"}), frozenset({"Harbour desk"})
# "helper" is staff without any right, "staff" an administrator by role, "administrator" an owner.
GRANTED = {
    "anonymous": Granted(), "nobody": Granted(), "seat without role": Granted(), "role without seat": Granted(),
    "observer": Granted(watches=SALES), "supervisor": Granted(watches=SALES, takes_over=SALES),
    "foreign": Granted(watches=HARBOUR, takes_over=HARBOUR, judges=True), "helper": Granted(),
    "staff": Granted(sets_up=True, judges=True), "wall": Granted(),
    "administrator": Granted(watches=ALL, takes_over=ALL, sets_up=True, judges=True),
}
ROLES = tuple(GRANTED)
OWN = {"919812340001", "Mr Sales"}  # of the one call in Sales; numbers are masked for everybody here but administrators
NAMES = {"Sales": "Mr Sales", "Billing": "Ms Billing", "Harbour desk": "Dr Harbour"}  # the caller in each queue
FOREIGN = {"919812340002", "Ms Billing", "Billing", "919812340003", "Dr Harbour", "Harbour desk", "Southgate"}
SECRETS = {"canary-ssid-north", "canary-token-north", "canary-ssid-south", "canary-own-ssid", "canary-wall"}
for secret in SECRETS:
    aviary.sow(f"of the site with two accounts: {secret[7:]}", secret)


class Site(NamedTuple):
    """Sales and Billing at Northgate, Harbour desk at Southgate; a call in each. `refs`: by the queue's name."""

    clients: dict[str, Client]
    refs: dict[str, str]
    keys: dict[str, int]
    attempt: TakeoverAttempt

    def path(self, route: str) -> str:
        """An address of that kind which leads to something."""
        model = route.removeprefix("admin/").split("/<", 1)[0]
        given = {"secret": "no-such-link", "content_type_id": "1", "object_id": self.keys.get(model, 1),
                 "pk": self.keys["dashboard/queue" if route.startswith("queues/") else "queue_api/account"],
                 "id": self.keys["auth/user"], "url": "no/such",
                 "app_label": "dashboard"}
        plain = re.sub(r"\(\?P(<\w+>).*?\)", r"\1", route)
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(given[found[1]]), plain)
        return "/" + filled.replace("^", "").replace("$", "")


def routes() -> list[str]:
    """Every pattern of the URL resolver."""
    return sorted(set(_walked(get_resolver(), "")))


def kind_of(route: str) -> str:
    """Raises KeyError for an address that nobody has said anything about."""
    for kind, members in DOORS.items():
        if route in members:
            return kind
    raise KeyError(f"{route!r} is new: say in tests/doors.py who may open it")


def _walked(resolver: Any, prefix: str) -> Iterator[str]:
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from _walked(one, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern)


def build_site() -> Site:
    north = _account("Northgate", "north")
    south = _account("Southgate", "south")
    sales = Queue.objects.create(account=north, key="302", name="Sales")
    Queue.objects.create(account=north, key="303", name="Billing")
    harbour = Queue.objects.create(account=south, key="501", name="Harbour desk")
    people = {"nobody": person("nobody"), "seat without role": person("silas", (), (sales,)),
              "role without seat": person("rosa", ("take_over",)), "observer": person("omar", (), (sales,)),
              "supervisor": person("sita", ("take_over",), (sales,)),
              "foreign": person("farah", ("take_over",), (harbour,)),
              "helper": User.objects.create_user("hema", is_staff=True), "staff": person("stan", (), (sales,)),
              "administrator": User.objects.create_superuser("dev")}
    roles.give(people["seat without role"], Role.NONE)
    roles.give(people["staff"], Role.ADMINISTRATOR)  # with a seat, which shows them nothing
    _own_session(people["supervisor"])
    display = Display.objects.create(name="Hall", token_hash=hashed("canary-wall"))
    display.queues.set([sales])
    attempt = TakeoverAttempt.objects.create(
        key="a" * 32, actor=people["foreign"], actor_name="Farah", account=south, call_key="h-1",
        call_ref=f"{south.pk}-h-1", state="abandoned", is_open=False)
    line = audit.record("session.stored", actor="Farah", account="Southgate", actor_id=people["foreign"].pk)
    refs = _show_calls(north, south)
    keys = {"auth/user": people["foreign"].pk,
            "queue_api/account": south.pk, "dashboard/queue": harbour.pk, "dashboard/display": display.pk,
            "dashboard/auditevent": line.pk, "dashboard/takeoverattempt": attempt.pk}
    return Site(_clients(people), refs, keys, attempt)


def _account(name: str, mark: str) -> Account:
    account = Account(name=name, base_url="https://deepcall.example", user_id=f"user-{mark}")
    account.set_ssid(f"canary-ssid-{mark}")
    account.set_token(f"canary-token-{mark}")
    account.save()
    return account


def _own_session(user: User) -> None:
    seat = Seat.objects.get(user=user)
    seat.set_ssid("canary-own-ssid")
    seat.save()


def _show_calls(north: Account, south: Account) -> dict[str, str]:
    """This process's mirror has a fresh list of each account."""
    calls = {"Sales": (north, call("s-1", caller="919812340001", caller_name="Mr Sales")),
             "Billing": (north, call("b-1", caller="919812340002", caller_name="Ms Billing", queue_id="303",
                                     queue_name="Billing")),
             "Harbour desk": (south, call("h-1", caller="919812340003", caller_name="Dr Harbour", queue_id="501",
                                          queue_name="Harbour desk"))}
    cards = {one.pk: Card(pk=one.pk, name=one.name, interval_s=2.0) for one in (north, south)}
    mirror.take(News(cards=cards, boards=[], attempts=[], generations={}))
    for account in (north, south):
        mirror.offer(board(*(one for owner, one in calls.values() if owner is account), account=account.pk))
    return {name: call_ref(account.pk, one) for name, (account, one) in calls.items()}


def _clients(people: dict[str, User]) -> dict[str, Client]:
    """One browser per role, from another machine. An error page is looked at like any other answer."""
    clients = {role: Client(REMOTE_ADDR="192.0.2.7", raise_request_exception=False) for role in ROLES}
    for role, user in people.items():
        clients[role].force_login(user)
    clients["wall"].cookies[PAGE_COOKIE] = "canary-wall"
    return clients


def hidden_from(role: str) -> set[str]:
    """What must stand in nothing that a role is answered."""
    if role == "administrator":
        return SECRETS
    if role == "staff":  # what there is to set up, but nobody who calls
        return SECRETS | {"919812340001", "919812340002", "919812340003"} | set(NAMES.values())
    own = {"919812340001"} if role in ("observer", "supervisor") else OWN
    if role == "foreign":
        return SECRETS | OWN | {"919812340003", "Northgate", "Ms Billing", "919812340002"}
    return SECRETS | FOREIGN | own
