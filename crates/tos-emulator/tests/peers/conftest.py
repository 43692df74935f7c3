"""Clients that we did not write, run unmodified against the emulator's binary.

The binary is named by TOS_EMULATOR_BIN. Clients reach it as their HTTP proxy, so that any host name works without DNS.
"""

import os
import subprocess
import uuid

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
