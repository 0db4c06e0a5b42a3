"""Who may call the simulated DeepCall. These are made-up secrets, good for the simulator only.

A session (`ssid`) belongs to one person, and that person gets the call it takes over (inferred; the vendor
does not say). `USER_ID` + `TOKEN` is the account's other credential way and acts as the front desk.
"""

import msgspec


class Person(msgspec.Struct, frozen=True):
    """Somebody with a DeepCall log-in: `agent_id` is what rows show when a call is theirs."""

    name: str
    agent_id: str
    ssid: str


FRONT_DESK = Person("Front desk", "1100", "demo-ssid-front-desk")
ASHA = Person("Asha Rao", "1101", "demo-ssid-asha-rao")
BEN = Person("Ben Okafor", "1102", "demo-ssid-ben-okafor")
CARLA = Person("Carla Mendes", "1103", "demo-ssid-carla-mendes")

SUPERVISORS = (ASHA, BEN, CARLA)
PEOPLE = (FRONT_DESK, *SUPERVISORS)
BY_SSID = {person.ssid: person for person in PEOPLE}
BY_AGENT_ID = {person.agent_id: person for person in PEOPLE}

USER_ID = "demo-user"
TOKEN = "demo-token"  # noqa: S105 - accepted by the simulator only
