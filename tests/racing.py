"""One of several processes that race for the same calls through the product's own service: `python -m tests.racing N`.

It puts N calls on its board and then reads clicks, one JSON object a line: `as` (a user's name), `call` (a number),
`limit` (per person and minute). Each is answered with a line: the status, the cell's state, the notice's title.
"""

import json
import os
import sys
from typing import Any

import django


def call_id(number: int) -> str:
    return f"raced-{number}"


def main(count: int) -> None:
    from django.contrib.auth.models import User

    from dashboard import asking, takeover
    from dashboard.access import viewer_of
    from dashboard.audit import Source
    from queue_api.calls import Call
    from queue_api.models import Account
    from tests.takeovers import live, show

    def answer(click: dict[str, Any]) -> list[Any]:
        takeover.PER_PERSON, takeover.PER_ACCOUNT = click["limit"], 100_000
        viewer = viewer_of(User.objects.get(username=click["as"]))
        assert viewer is not None
        told = asking.take_over(viewer, f"{account.pk}-{call_id(click['call'])}", "", Source())
        return [told.status, told.cell and told.cell.state, told.notice and str(told.notice.title)]

    account = Account.objects.get()
    show(account, *(live(Call(key=call_id(number), call_id=call_id(number), queue_id="302", agent_id="1102"))
                    for number in range(count)))
    print("ready", flush=True)  # noqa: T201 - the other end of the pipe waits for it
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    main(int(sys.argv[1]))
