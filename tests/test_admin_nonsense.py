"""Nonsense at every page, form and action of the admin: answered, never a traceback; what is refused changes nothing.

Pages come from the URL resolver and fields from the pages themselves (tests/nonsense.py).
"""

import copy
import os
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.test import Client
from django.urls import resolve

from dashboard.models import WrongPassword
from queue_api.client import Look
from tests.canaries import aviary
from tests.doors import Site, build_site, routes
from tests.nonsense import TYPED, Form, Try, forms_of, wrong_address, wrong_form, wrong_question

TRIES = 20_000 if os.environ.get("CALLBOARD_LONG") else 800
SHARES = 4
FORM_TYPE = "application/x-www-form-urlencoded"
ADMIN = [route for route in routes() if route.startswith("admin/") and "logout" not in route]
COUNTED = ("dashboard_wrongcode", "dashboard_wrongpassword", "django_session")  # written just because it was refused
OWN = "admin/password_change/"  # what everybody who may sign in there may change
WRITE = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')
ROWS = {"status": "success", "data": [
    {"callId": "a", "callernumber": "919812345678", "groupId": "302", "status": "talking"},
    {"callId": "\u202e<b>", "status": ["\0"], "x": {"y": [None, 1e99, True]}}, 1, None, {}]}
aviary.sow("typed into a password field", TYPED)


class Told(NamedTuple):
    """What came of one try: the answer, and the tables that were written into."""

    answer: Any
    text: str
    wrote: set[str]


class Office:
    """The admin with everything that its pages ask for."""

    def __init__(self, site: Site) -> None:
        self.site, self.forms, self.links = site, list[Form](), dict[str, list[str]]()
        looker = User.objects.create_user("lena", is_staff=True)
        looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        self.clients = {"owner": Client(), "looker": Client()}
        self.clients["owner"].force_login(User.objects.get(username="dev"))
        self.clients["looker"].force_login(looker)
        self.keys = sorted({*map(str, site.keys.values()), *site.refs.values(), str(looker.pk), "a" * 32})
        for route in ADMIN:
            page = site.path(route)
            answer = self.clients["owner"].get(page)
            found, links = forms_of(page, text_of(answer)) if answer.status_code == 200 else ([], set())
            self.links[page] = sorted(links)
            self.forms += [form for form in found if "/logout/" not in form.page]

    def ask(self, role: str, one: Try) -> Told:
        """Nothing that it writes stays. An exception in a view is raised here."""
        client, wrote = self.clients[role], set[str]()

        def note(execute: Any, statement: str, *rest: Any) -> Any:
            wrote.update(WRITE.findall(statement))
            return execute(statement, *rest)

        cookies, (path, _, query) = copy.deepcopy(client.cookies), one.path.partition("?")
        with transaction.atomic() if one.method == "POST" else connection.execute_wrapper(note):
            with connection.execute_wrapper(note):
                answer = client.generic(one.method, path, one.body, FORM_TYPE, QUERY_STRING=query)
                text = text_of(answer)
            if one.method == "POST":
                if answer.status_code == 302 and wrote - {*COUNTED}:  # what was accepted can be shown
                    again = self.clients["owner"].get(answer["Location"] if path in answer["Location"] else path)
                    assert again.status_code < 500, (path, again.status_code)
                transaction.set_rollback(True)
        client.cookies = cookies
        return Told(answer, text, wrote)

def text_of(answer: Any) -> str:
    raw: bytes = b"".join(answer) if answer.streaming else answer.content
    return raw.decode(errors="replace")


@pytest.fixture
def office(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Office:
    """DeepCall answers at once, oddly. Requests have no transaction around them, as in the product."""
    monkeypatch.setattr("queue_api.admin.ask", lambda *_args: (Look(ROWS, ""), ""))
    monkeypatch.setattr("dashboard.setup.progress", lambda *_args: None)  # in each page's head, and the same in all
    site = build_site()
    site.keys["dashboard/wrongpassword"] = WrongPassword.objects.create(name_hash="f" * 64, place="192.0.2.1").pk
    return Office(site)


def tries(dice: random.Random, office: Office) -> Iterator[Try]:
    while True:
        route = dice.choice(ADMIN)
        page = office.site.path(route)
        yield wrong_form(dice, dice.choice(office.forms), office.keys)
        yield wrong_form(dice, dice.choice(office.forms), office.keys)
        yield wrong_question(dice, page, office.links[page], office.keys)
        yield from wrong_address(dice, route, page)


def complaints(answer: Any) -> list[str]:
    """What the page says of a refused form, by field."""
    context, found = answer.context or {}, list[str]()
    forms = [context.get("form"), getattr(context.get("adminform"), "form", None)]
    for inline in context.get("inline_admin_formsets") or []:
        forms += [*inline.formset.forms]
        found += map(str, inline.formset.non_form_errors())
    for form in forms:
        if form is not None and form.is_bound:
            found += [f"{name}: {error}" for name, errors in form.errors.items() for error in errors]
    return found + [str(message) for message in get_messages(answer.wsgi_request)]


def refused_without_a_word(one: Try, told: Told) -> bool:
    context = told.answer.context or {}
    is_form = "adminform" in context or ("inspect" not in one.path and getattr(context.get("form"), "is_bound", False))
    said = complaints(told.answer) and ("errorlist" in told.text or "errornote" in told.text)
    return bool(one.method == "POST" and told.answer.status_code == 200 and is_form and not said)


def test_every_page_of_the_admin_with_a_form_is_tried(office: Office) -> None:
    posted = {resolve(form.page).route for form in office.forms if form.method == "POST"}
    expected = {"admin/auth/user/add/", "admin/auth/user/<id>/password/", "admin/password_change/",
                "admin/queue_api/account/<int:pk>/inspect/", "admin/dashboard/display/add/", "admin/auth/user/"}
    assert expected <= posted
    changing = {route for route in ADMIN if route.endswith(("/change/", "/delete/", "/add/"))}
    read_only = re.compile("auditevent|takeoverattempt|wrongpassword/(add|.*change)")
    protected = {"admin/queue_api/account/<path:object_id>/delete/", "admin/auth/user/<path:object_id>/delete/"}
    assert {route for route in changing if not read_only.search(route)} - protected <= posted
    names = {field.name for form in office.forms for field in form.fields}
    assert {"list_request", "seats-TOTAL_FORMS", "code", "time_zone", "_selected_action", "field-call_id", "answer",
            "new_password1", "action", "q"} <= names
    offers = [field.offers for form in office.forms for field in form.fields if field.name == "action"]
    actions = {offer for each in offers for offer in each}
    assert {"delete_selected", "revoke", "lift", "it_moved", "sign_out_everywhere"} <= actions


@pytest.mark.parametrize("share", range(SHARES))
def test_nonsense_at_the_admin_is_answered_and_what_is_refused_changes_nothing(office: Office, share: int) -> None:
    seed = f"{os.environ.get('CALLBOARD_SEED', '2026')}-{share}"
    dice, seen = random.Random(seed), set[tuple[str, int]]()
    for number, one in zip(range(TRIES // SHARES), tries(dice, office), strict=False):
        role = "looker" if dice.random() < 0.25 else "owner"
        where = (seed, number, role, one.method, one.path[:200], one.what)
        try:
            told = office.ask(role, one)
        except Exception as error:
            error.add_note(str(where))
            raise
        status, wrote = told.answer.status_code, told.wrote - {*COUNTED}
        assert status < 500, where
        assert TYPED not in told.text, where
        assert "Traceback" not in told.text, where
        assert not (one.method == "GET" and wrote), (where, wrote)
        assert not (status != 302 and wrote and "_popup" not in one.body.decode()), (where, wrote)
        assert not (role == "looker" and wrote and not one.path.startswith(f"/{OWN}")), (where, wrote)
        assert not refused_without_a_word(one, told), (where, complaints(told.answer))
        seen.add((one.method, status))
    assert {("GET", 200), ("GET", 302), ("GET", 404), ("POST", 200), ("POST", 302), ("POST", 403)} <= seen
