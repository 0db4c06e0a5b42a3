"""In Chromium, against the real `serve`: the lines beside the numbers, and a day's charts under the policy."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.processes import Callboard
from tests.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]
INK = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some(value => value > 0);
}"""


def opened(screen: Any, server: Callboard, **options: Any) -> tuple[Screen, Page, list[str]]:
    asha = screen("asha", **options)
    broken: list[str] = []
    asha.page.expose_function("violated", lambda directive: broken.append(directive))
    asha.page.add_init_script("addEventListener('securitypolicyviolation', e => violated(e.violatedDirective))")
    asha.page.goto(f"{server.url}/")
    asha.live()
    return asha, asha.page, broken


def test_the_last_hour_is_drawn_beside_the_numbers(screen: Any, server: Callboard) -> None:
    asha, page, broken = opened(screen, server)
    for name in ("waiting", "service-level"):
        expect(page.locator(f"#trends > #trend-{name} svg[role=img]")).to_be_visible()
    box, line, day = (page.locator(name).bounding_box() for name in ("#kpis", ".trends", "#day"))
    assert box is not None
    assert line is not None
    assert day is not None
    assert (line["y"], line["y"] + line["height"]) == (box["y"], day["y"] + day["height"])  # no list is shorter for it
    assert (broken, asha.problems) == ([], [])


def test_a_days_charts_draw_under_the_policy_in_either_light(screen: Any, server: Callboard) -> None:
    asha, page, broken = opened(screen, server)
    page.get_by_role("link", name="Days by queue").click()
    expect(page.locator("#charts[data-drawn=yes]")).to_be_visible()
    page.emulate_media(color_scheme="dark")
    charts = page.locator("#charts canvas")
    assert charts.count() == 4
    assert [chart.evaluate(INK) for chart in charts.all()] == [True] * 4
    assert page.evaluate("Chart.getChart('chart-calls').data.labels.length") == 48
    assert (broken, asha.problems) == ([], [])


def test_without_scripts_the_table_has_the_numbers(screen: Any, server: Callboard) -> None:
    asha = screen("asha")
    page = asha.page.context.browser.new_context(
        java_script_enabled=False, storage_state=asha.page.context.storage_state()).new_page()
    page.goto(f"{server.url}/queues/")
    assert page.locator("tbody tr").count() > 0
    assert not page.locator("#charts").is_visible()
    page.context.close()


def test_on_a_phone_nothing_but_the_table_is_scrolled_sideways(screen: Any, server: Callboard) -> None:
    _asha, page, _broken = opened(screen, server)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.url}/queues/")
    expect(page.locator("#charts[data-drawn=yes]")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
