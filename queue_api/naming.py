"""How a takeover names its call: the ways of the vendor's page, and what must be there before anything is sent."""

import re

import msgspec

from queue_api.calls import Call
from queue_api.errors import TAKEOVER, RequestInvalid


class TakeoverTarget(msgspec.Struct, frozen=True):
    """How a takeover names its call; empty fields are not sent. Spelling as on the wire is the client's business."""

    call_id: str = ""
    callernumber: str = ""
    agentid: str = ""


def is_masked(number: str) -> bool:
    """Whether a number has anything but digits and dialling punctuation: such a one is never sent back."""
    return not re.fullmatch(r"\+?[0-9][0-9 ().-]*", number)


WAYS: dict[str, tuple[str, ...]] = {
    "call-and-agent": ("call_id", "agentid"),
    "number-and-agent": ("callernumber", "agentid"),
    "number-and-call": ("callernumber", "call_id"),
    "call-only": ("call_id",),
}
WIRE_NAMES = {"call_id": "callId", "callernumber": "callernumber", "agentid": "agentid"}


def name_call(call: Call, way: str, own_agent_id: str = "") -> TakeoverTarget:
    """How to name `call` to callTakeover: the chosen way, else the next one that has all its fields.

    "auto" is call id and agent with an agent, number and call id without, the call id alone last. `own_agent_id`:
    the account takes `agentid` for the taker's. Raises RequestInvalid naming the missing field.
    """
    have = {
        "call_id": call.call_id,
        "callernumber": "" if is_masked(call.caller) else call.caller,
        "agentid": own_agent_id or call.agent_id,
    }
    order = ["call-and-agent", "number-and-call", "call-only", "number-and-agent"]
    if way in WAYS:
        order = [way, *(other for other in order if other != way)]
    for candidate in order:
        if all(have[field] for field in WAYS[candidate]):
            return TakeoverTarget(**{field: have[field] for field in WAYS[candidate]})
    missing = [WIRE_NAMES[field] for field in WAYS[order[0]] if not have[field]]
    raise RequestInvalid(TAKEOVER, message=f"The call cannot be named: {', '.join(missing)} is missing.")


def check_target(target: TakeoverTarget) -> dict[str, str]:
    """The body's fields: `callId`, or `callernumber` and `agentid`, are needed (vendor page); else RequestInvalid."""
    body = {WIRE_NAMES[field]: value for field in WIRE_NAMES if (value := getattr(target, field))}
    if target.callernumber and is_masked(target.callernumber):
        raise RequestInvalid(TAKEOVER, message="The callernumber is masked and cannot be sent.")
    if "callId" not in body and not {"callernumber", "agentid"} <= body.keys():
        missing = "callId" if "callernumber" not in body and "agentid" not in body else (
            "agentid" if "callernumber" in body else "callernumber")
        raise RequestInvalid(TAKEOVER, message=f"The call cannot be named: {missing} is missing.")
    return body
