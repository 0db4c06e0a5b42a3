"""A fixed cast: `supervisor` takes over in Sales, `observer` looks, `outsider` has other queues, `clerk` sets up,
`admin` owns."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, connections
from django.test import Client, TransactionTestCase, override_settings
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright

from dashboard import append_only, roles
from dashboard.mirror import mirror
from dashboard.models import Queue, Seat
from dashboard.roles import Role
from dashboard.second_factor import PROVED
from queue_api.models import Account

pytest_plugins = ["tests.screens", "tests.canary_scan"]
# Beside servers and browsers an example may take any time: none fails by the clock.
settings.register_profile("callboard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("callboard")
PASSWORD = "a-long-test-password"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without CALLBOARD_LONG the full counts are left out; CI runs everything else.

    What starts processes comes first: it mostly waits, and would be waited for at the end. On CI's shared machine it
    gets a second try, whose first is named at the end (decision 015).
    """
    items.sort(key=lambda item: item.get_closest_marker("processes") is None)
    for item in items:
        if os.environ.get("CI") and (item.get_closest_marker("processes") or item.get_closest_marker("browser")):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if os.environ.get("CALLBOARD_LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="full counts: make test-long"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file instead of memory: only there do threads with connections of their own lock as in the product."""
    default = connections.databases["default"]
    if default["ENGINE"] == "django.db.backends.sqlite3":
        default["TEST"]["NAME"] = str(tmp_path_factory.mktemp("db") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hashing them as the product does would take a quarter of a second for each person of each test."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _forced_sign_ins_have_proved_a_second_factor() -> Iterator[None]:
    """`Client.force_login` leaves out the password, and so the code as well. Signing in by the door leaves out none."""
    force = Client.force_login

    def force_both(client: Client, user: User, backend: str | None = None) -> None:
        force(client, user, backend)
        session = client.session
        session[PROVED] = 1
        session.save()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "force_login", force_both)
        yield


@pytest.fixture(scope="session", autouse=True)
def _record_emptied_between_tests() -> Iterator[None]:
    """After a test that commits Django empties every table. Only for that do the record's triggers step aside."""
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def flush_all(case: TransactionTestCase) -> None:
        with append_only.lifted(connection):
            flush(case)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush_all)
        yield


@pytest.fixture
def in_the_hands_of_who_owns_the_file(db: None) -> Iterator[None]:
    """Somebody who may do anything to the database has taken the triggers away."""
    with append_only.lifted(connection):
        yield


@pytest.fixture(autouse=True)
def _fresh_mirror() -> Iterator[None]:
    """The process's one mirror, as empty as at start, for each test."""
    yield
    mirror.__init__(mirror.on_change)  # type: ignore[misc]


@pytest.fixture
def account(db: None) -> Account:
    account = Account(name="Northgate", base_url="https://deepcall.example", line="Front desk")
    account.set_ssid("account-ssid")
    account.save()
    return account


@pytest.fixture
def sales(account: Account) -> Queue:
    return Queue.objects.create(account=account, key="302", name="Sales")


@pytest.fixture
def billing(account: Account) -> Queue:
    return Queue.objects.create(account=account, key="303", name="Billing")


def person(username: str, rights: tuple[str, ...] = (), queues: tuple[Queue, ...] = ()) -> User:
    """With `take_over` a supervisor, with queues alone an observer, else without a role; other rights beside it."""
    user = User.objects.create_user(username, password=PASSWORD, first_name=username.title())
    roles.give(user, Role.SUPERVISOR if "take_over" in rights else Role.OBSERVER if queues else Role.NONE)
    others = set(rights) - {"take_over"}
    user.user_permissions.set(Permission.objects.filter(codename__in=others, content_type__app_label="dashboard"))
    for queue in queues:
        seat, _ = Seat.objects.get_or_create(user=user, account=queue.account)
        seat.queues.add(queue)
    return user


@pytest.fixture
def supervisor(sales: Queue) -> User:
    return person("sita", ("take_over",), (sales,))


@pytest.fixture
def observer(sales: Queue) -> User:
    return person("omar", (), (sales,))


@pytest.fixture
def outsider(billing: Queue) -> User:
    return person("ola", ("take_over",), (billing,))


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("dev", password=PASSWORD)


@pytest.fixture
def clerk(db: None) -> User:
    """An administrator by role: sets up, and watches nothing."""
    user = person("clerk")
    roles.give(user, Role.ADMINISTRATOR)
    return user


def needs(present: object, what: str, how: str) -> None:
    """Skips by name what this machine lacks; in CI it must be there."""
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing in CI: {how}")
    pytest.skip(f"needs {what}: {how}")


def chromium_path() -> str:
    """Where Chromium is. What is waited for in it has 15 s: two polls, and a machine that does other things."""
    expect.set_options(timeout=15_000)
    found = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")
    needs(found, "Chromium", "apt install chromium")
    return found


CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
                  "--no-first-run", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for one file of tests: Playwright keeps a loop running meanwhile, which asyncio tests could not bear."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
