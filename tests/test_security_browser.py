"""S04, S22, F79, F81 in Chromium: hostile names and sentences from DeepCall are text, and the policy breaks no page.

Once without the policy, so that escaping alone must hold; once with it, where a violation would be reported.
"""

import os
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Dialog, Request, expect

from tests.processes import Callboard, Upstream, until
from tests.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.usefixtures("calm")]
LONG = bool(os.environ.get("CALLBOARD_LONG"))

DO = "window.pwned=1"
PAYLOADS = [
    f"<script>{DO}</script>", f"</script><script>{DO}</script>", f"<ScRiPt>{DO}</sCrIpT>",
    "<script src=//evil.example/x.js>", f"<img src=x onerror={DO}>", f"<img src=x onerror='{DO}'>",
    f'"><img src=x onerror={DO}>', f"'><img src=x onerror={DO}>", f"`><img src=x onerror={DO}>",
    f"</span></div><img src=x onerror={DO}>", f"--><img src=x onerror={DO}>", f"]]><img src=x onerror={DO}>",
    f"</title><img src=x onerror={DO}>", f"</textarea><img src=x onerror={DO}>",
    f"</template><img src=x onerror={DO}>", f"</style><img src=x onerror={DO}>", f"<svg onload={DO}>",
    f"<svg/onload={DO}>", f"<svg><script>{DO}</script></svg>", f"<svg><animate onbegin={DO} attributeName=x dur=1s>",
    f"<svg><set onbegin={DO} attributename=x>", f"<body onload={DO}>", f"<iframe src=\"javascript:parent.{DO}\">",
    f"<iframe srcdoc='<script>parent.{DO}</script>'>", f"<object data=\"javascript:{DO}\">",
    f"<embed src=\"javascript:{DO}\">", f"<details open ontoggle={DO}>x</details>",
    f"<video><source onerror={DO}></video>", f"<audio src=x onerror={DO}>", f"<input autofocus onfocus={DO}>",
    f"<select autofocus onfocus={DO}>", f"<marquee onstart={DO}>x</marquee>", f"<a href=\"javascript:{DO}\">x</a>",
    f"javascript:{DO}", f"<form action=\"javascript:{DO}\"><button>x</button></form>",
    f"<math><mi xlink:href=\"javascript:{DO}\">x</mi></math>", "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{display:none!important}</style>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>", f"\" onmouseover=\"{DO}", f"' onmouseover='{DO}",
    f"\" autofocus onfocus={DO} x=\"", "\" style=\"position:fixed;inset:0",
    "<div hx-get=/admin/ hx-trigger=load>x</div>", f"<div hx-on:load=\"{DO}\">x</div>",
    "<div hx-ws:connect=/ws/board/>x</div>", "\" hx-get=\"/admin/\" hx-trigger=\"load",
    "<hx-partial hx-target=body>gone</hx-partial>", f"&lt;img src=x onerror={DO}&gt;",
    f"&#60;img src=x onerror={DO}&#62;", f"\\u003cimg src=x onerror={DO}\\u003e", f"%3Cimg src=x onerror={DO}%3E",
    f"<<img src=x onerror={DO}//", f"<img\u00a0src=x\u2028onerror={DO}>", f"\u202e<img src=x onerror={DO}>\u202c",
    "<a id=notices>x</a><form id=list name=location>", "{{7*7}}${7*7}{%debug%}",
    "</div></div></div></main></body></html>", "W" * 110 + "\u200b" * 20,
]


def test_there_are_sixty_different_payloads() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) == 60


def switch_all(upstream: Upstream) -> None:
    """Each payload as a caller's, an agent's and a queue's name, one call each."""
    for number, payload in enumerate(PAYLOADS):
        upstream.switch(add_call=named(f"xss-{number}", number, payload))
    upstream.switch(add_call=named("plain", 99, "Plain Name"))


def named(call_id: str, number: int, name: str) -> dict[str, Any]:
    return {"call_id": call_id, "caller": f"+9198{number:08}", "caller_name": name, "agent_id": f"9{number:03}",
            "agent_name": name, "queue_id": f"7{number:03}", "queue_name": name, "kind": name, "state": "talking",
            "answered_ago_s": 5}


SKELETONS = """() => Object.fromEntries([...document.querySelectorAll("[data-call-id]")].map(row => [row.dataset.callId,
    [...row.querySelectorAll("*")].map(e => e.tagName + "[" + e.getAttributeNames().join() + "]").join()]))"""
HEIGHTS = """() => [...new Set([...document.querySelectorAll("[data-call-id^='xss-'], [data-call-id=plain]")]
    .map(row => Math.round(row.getBoundingClientRect().height)))]"""
OUTSIDE = """() => document.querySelectorAll("body script:not([src]), iframe, object, embed, base, math, marquee, " +
    "body img, body style, [onerror], [onload], [onfocus], [onmouseover], [data-call-id] a, video, audio").length"""


def watched(admin: Screen, server: Callboard) -> tuple[list[str], list[str]]:
    """Dialogs, and requests to anywhere else."""
    dialogs: list[str] = []
    elsewhere: list[str] = []

    def asked(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    def requested(request: Request) -> None:
        if not request.url.startswith((server.url, "data:")):
            elsewhere.append(request.url)

    admin.page.on("dialog", asked)
    admin.page.on("request", requested)
    return dialogs, elsewhere


@pytest.mark.parametrize("policy", [False, pytest.param(True, marks=pytest.mark.long)], ids=["bare", "policy"])
def test_f81_hostile_names_are_shown_as_text_whatever_they_say(
    upstream: Upstream, server: Callboard, screen: Any, policy: bool
) -> None:
    admin = screen("admin", bypass_csp=not policy)
    dialogs, elsewhere = watched(admin, server)
    switch_all(upstream)
    expect(admin.row("plain")).to_be_attached()  # by frames
    expect(admin.row("xss-59")).to_be_attached()
    for how in ("frame", "page"):
        rows = admin.page.evaluate(SKELETONS)
        odd = {call for call, skeleton in rows.items() if call.startswith("xss-") and skeleton != rows["plain"]}
        assert odd == set(), how
        assert len(rows) >= 61
        assert len(admin.page.evaluate(HEIGHTS)) == 1, how
        assert admin.page.evaluate(OUTSIDE) == 0, how
        assert admin.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), how
        expect(admin.row("xss-4").locator("[data-field=agent]")).to_contain_text(PAYLOADS[4])
        expect(admin.row("xss-57").locator("[data-field=agent]")).to_contain_text("{{7*7}}")
        admin.page.reload()  # and by the page itself
        admin.live()
    assert admin.page.evaluate("window.pwned") is None
    assert (dialogs, elsewhere, admin.problems) == ([], [], [])


def sentences() -> list[str]:
    """All payloads in as many messages as a person may take calls over in a minute; a message is cut at 300."""
    found = [f'</template></div>" x="{PAYLOADS[4]}']
    for payload in PAYLOADS[:59]:
        if len(found[-1]) + len(payload) > 295:
            found.append("")
        found[-1] += payload
    assert len(found) <= 10
    return found


def test_f81_what_deepcall_says_of_a_takeover_is_text_in_cell_and_notice(
    upstream: Upstream, server: Callboard, screen: Any
) -> None:
    admin = screen("admin", bypass_csp=True)
    dialogs, elsewhere = watched(admin, server)
    messages = sentences()
    for number, payload in enumerate(messages if LONG else messages[:1]):
        upstream.switch(reset=True, frozen=True)
        upstream.switch(add_call={"call_id": f"e-{number}", "caller": "+919800000001", "agent_id": "2002",
                                  "agent_name": "Kabir Khan", "state": "talking", "answered_ago_s": 60,
                                  "queue_id": "302", "queue_name": "Sales"},
                        fault={"endpoint": "takeover", "times": 1, "code": 1502, "message": payload})
        admin.button(f"e-{number}").click()
        expect(admin.cell(f"e-{number}")).to_have_attribute("data-code", "1502")
        expect(admin.notices()).to_contain_text("1502")
        assert admin.page.evaluate(OUTSIDE) == 0, payload
    assert admin.page.evaluate("window.pwned") is None
    assert (dialogs, elsewhere, admin.problems) == ([], [], [])


def test_f79_the_policy_breaks_no_page_of_the_admin_either(upstream: Upstream, server: Callboard, screen: Any) -> None:
    admin = screen("admin")
    dialogs, elsewhere = watched(admin, server)
    switch_all(upstream)
    until(lambda: admin.row("xss-59").count(), 20, "the last call")
    for path in ("/setup/", "/me/", "/me/second-factor/", "/admin/", f"/admin/dashboard/queue/?q={quote(PAYLOADS[0])}",
                 "/admin/auth/user/1/change/", "/admin/queue_api/account/1/change/",
                 "/admin/queue_api/account/1/inspect/", "/admin/dashboard/auditevent/",
                 "/admin/dashboard/takeoverattempt/", "/admin/dashboard/display/add/", "/admin/dashboard/queue/?all=",
                 "/admin/password_change/", "/wall/", "/no/such/page", "/"):
        admin.page.goto(f"{server.url}{path}", wait_until="load")
        assert admin.page.evaluate("window.pwned") is None, path
        assert admin.problems == [], path
    assert (dialogs, elsewhere) == ([], [])
    admin.page.evaluate(f"document.body.insertAdjacentHTML('beforeend', '<b onclick={DO}>x</b>')")
    until(lambda: admin.page.evaluate("0") or admin.problems, 10, "a violation is reported: this test can fail")
    assert "Content Security Policy" in admin.problems[0]
