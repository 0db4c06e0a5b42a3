"""`manage.py simulate` as a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx  # noqa: TID251 - the tests play DeepCall's client, not Callboard's
import pytest

from queue_api.simulator.people import ASHA, BEN, TOKEN, USER_ID
from tests.test_simulator import CONTROL, LIST, RECORDED, SSID, TAKEOVER

pytestmark = pytest.mark.processes
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A `simulate` process on a free port, once it has said where it is."""
    command = [sys.executable, "manage.py", "simulate", "--port", "0", "--calls", "5"]
    environment = os.environ | {"CALLBOARD_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line.startswith("Simulator (not DeepCall) on http://127.0.0.1:")
            assert all(secret in line for secret in (ASHA.ssid, BEN.ssid, USER_ID, TOKEN))
            yield process, int(line.split()[4].rsplit(":", 1)[1])
        finally:
            process.kill()


def test_simulate_serves_until_told_to_stop_even_with_a_request_in_flight(
    served: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    process, port = served
    hanging = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client, closing(hanging):
        answer = client.post(TAKEOVER, json=SSID | {"callId": "gone"})
        assert (answer.content, answer.headers["etag"][:5]) == (RECORDED, 'W/"49')
        client.post(CONTROL, json={"fault": {"endpoint": "list", "hang": True}})
        hanging.request("POST", LIST, json.dumps(SSID))
        while client.get(CONTROL).json()["asked"]["list"] == 0:
            continue
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    assert not list(tmp_path.glob("*.sqlite3"))


def test_simulate_says_so_when_the_port_is_taken(served: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "simulate", "--port", str(served[1])]
    environment = os.environ | {"CALLBOARD_DATA_DIR": str(tmp_path)}
    second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert f"could not listen on 127.0.0.1:{served[1]}" in second.stderr
    assert "Traceback" not in second.stderr
