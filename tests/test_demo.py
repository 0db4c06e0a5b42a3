"""What `make demo` tells people to look at and to paste: it must be true."""

import json
import re

import pytest
from django.urls import resolve

from dashboard.management.commands import demo
from queue_api.simulator import control
from queue_api.simulator.simulation import Simulation

TOLD = demo.explanation(8000, 8001, "SECRET")
CURLS = re.findall(r"^ *curl (\S+) -d '(.*)'$", TOLD, re.MULTILINE)


def test_everybody_who_can_sign_in_is_told_with_what_they_see() -> None:
    for username in ("admin", *(person.username for person in demo.SUPERVISORS)):
        assert re.search(rf"^    {username:<11}\w", TOLD, re.MULTILINE)
    assert demo.PASSWORD in TOLD


def test_every_address_leads_somewhere() -> None:
    paths = re.findall(r"http://127\.0\.0\.1:8000(/\S*)", TOLD)
    assert len(paths) >= 4
    for path in paths:
        assert resolve(path).url_name, path  # the admin's own "not found" has none


@pytest.mark.parametrize(("address", "body"), CURLS)
def test_every_line_to_paste_is_understood_by_the_simulator(address: str, body: str) -> None:
    assert address == "http://127.0.0.1:8001/_simulator"
    answer = control.switch(Simulation(), body.encode())
    assert answer.status == 200, answer.body


def test_the_last_line_to_paste_undoes_the_others() -> None:
    simulation = Simulation()
    for _, body in CURLS:
        state = json.loads(control.switch(simulation, body.encode()).body)
    assert len(CURLS) == 4
    assert state["faults"] == []


def test_it_fits_a_terminal() -> None:
    assert max(map(len, TOLD.splitlines())) <= 120
