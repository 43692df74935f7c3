"""Clients that we did not write, run unmodified against the emulator's binary.

The binary is named by TOS_EMULATOR_BIN. Clients reach it as their HTTP proxy, so that any host name works without DNS.
"""

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import pytest
import tos

ACCESS_KEY = "peer-access-key"
SECRET_KEY = "cGVlci1zZWNyZXQta2V5"
REGION = "cn-beijing"
ENDPOINT = "http://tos.test"

RAMP = bytes(i % 251 for i in range(251)) * 4096


def some(length):
    """A ramp modulo a prime, so that a shifted part cannot look right."""
    return (RAMP * (length // len(RAMP) + 1))[:length]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """The emulator's URL."""
    command = [os.environ["TOS_EMULATOR_BIN"], "--listen", "127.0.0.1:0", "--region", REGION]
    command += ["--root", str(tmp_path_factory.mktemp("objects")), "--base-domain", "tos.test"]
    command += ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture
def proxied(emulator, monkeypatch):
    """Sends HTTP requests of this process and its children to the emulator, whatever their host."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, emulator)
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return emulator


@pytest.fixture
def client(proxied):
    client = tos.TosClientV2(ACCESS_KEY, SECRET_KEY, ENDPOINT, REGION, max_retry_count=0)
    yield client
    client.close()


@pytest.fixture
def bucket(client):
    name = f"peer-{uuid.uuid4().hex[:12]}"
    client.create_bucket(name)
    return name


@pytest.fixture
def ve_tos_cli(proxied, tmp_path, monkeypatch):
    """The official command line in a directory of its own, as arguments for `subprocess`."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TOS_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("TOS_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("TOS_REGION", REGION)

    def command(*arguments):
        program = Path(sys.executable).with_name("ve-tos-cli")
        return {"args": [program, *arguments, "--endpoint", ENDPOINT], "cwd": tmp_path}

    return command


class Control:
    """The emulator's control endpoint."""

    def __init__(self, emulator):
        self.emulator = emulator
        # Past the proxy, which the emulator itself may be.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.emulator}/_emulator/{path}", data=data, method=method)
        with self.opener.open(request, timeout=60) as answer:
            return answer.read()

    def fault(self, bucket, verdict, **rule):
        """What happens from now on to reads of a bucket's objects."""
        rule = {"operation": "GetObject", "bucket": bucket, "verdict": verdict, **rule}
        self.ask("POST", "faults", rule)

    def put_generated(self, bucket, key, size):
        self.ask("POST", "objects", {"bucket": bucket, "key": key, "size": size, "seed": 1})

    def clear_faults(self):
        self.ask("DELETE", "faults")

    def requests(self):
        return json.loads(self.ask("GET", "requests"))

    def forget_requests(self):
        self.ask("DELETE", "requests")


@pytest.fixture
def control(emulator):
    control = Control(emulator)
    control.forget_requests()
    yield control
    control.clear_faults()
