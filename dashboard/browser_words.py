"""What a browser calls itself, in the few words by which a person knows it again: "Firefox on Windows"."""

import re

from django.utils.translation import gettext as _

# The first that is found counts: all but Firefox also claim to be those further down.
BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("FxiOS", "Firefox"),
            ("Firefox", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
           ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux"))


def words(agent: str) -> str:
    """`agent`: a User-Agent header, which anybody may make up."""
    browser = next((name for mark, name in BROWSERS if f"{mark}/" in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    first = re.match(r"[\w.-]{1,30}", agent, re.ASCII)
    return browser or system or (first[0] if first else _("unknown browser"))
