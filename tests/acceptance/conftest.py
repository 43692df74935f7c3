"""Downloads as users see them: the command `tosget`, a TOS server on this machine, and objects that others made.

The programs are named by TOSGET_BIN and TOS_EMULATOR_BIN; `cargo xtask test acceptance` builds them and runs this.
"""

import os
import random
import signal
import uuid
from types import SimpleNamespace

import content
import emulator as tos_emulator
import pytest
import tos
from command import Tosget
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY


# A background job of a shell is started with SIGINT ignored, and so would be all that it starts. A signal with a handler is the default
# again there.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    with tos_emulator.running(tmp_path_factory.mktemp("objects")) as emulator:
        yield emulator


@pytest.fixture
def tosget(emulator, tmp_path):
    return make_tosget(emulator, tmp_path)


def make_tosget(emulator, tmp_path):
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return Tosget(emulator.url, home)


@pytest.fixture(scope="session")
def sdk(emulator):
    """The official SDK's client."""
    with sdk_for(emulator) as client:
        yield client


class sdk_for:
    """The official SDK's client for an emulator, as a context.

    It puts the bucket's name into the host's, so it has the emulator as its HTTP proxy. Its own CRC is off: it is
    slow where its C extension could not be built, and these tests compare bytes.
    """

    def __init__(self, emulator):
        self.patch = pytest.MonkeyPatch()
        self.emulator = emulator

    def __enter__(self):
        for name in ("http_proxy", "HTTP_PROXY"):
            self.patch.setenv(name, self.emulator.url)
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            self.patch.delenv(name, raising=False)
        settings = {"max_retry_count": 0, "enable_crc": False}
        self.client = tos.TosClientV2(ACCESS_KEY, SECRET_KEY, f"http://{DOMAIN}", REGION, **settings)
        return self.client

    def __exit__(self, *_):
        self.client.close()
        self.patch.undo()


@pytest.fixture
def bucket(emulator):
    name = f"acceptance-{uuid.uuid4().hex[:12]}"
    emulator.control("POST", "buckets", {"bucket": name})
    return name


@pytest.fixture(scope="session")
def large(emulator, sdk, tmp_path_factory):
    """An object of 1 GiB that the official SDK uploaded in parts."""
    emulator.control("POST", "buckets", {"bucket": "large-objects"})
    path = tmp_path_factory.mktemp("source") / "large.bin"
    sha256 = content.write_random(path, content.GIB, seed=20)
    sdk.upload_file("large-objects", "large.bin", str(path), part_size=64 * content.MIB, task_num=2)
    path.unlink()
    return SimpleNamespace(url="tos://large-objects/large.bin", size=content.GIB, sha256=sha256)


@pytest.fixture
def say(capsys):
    """Prints past pytest's capture: figures are worth reading when tests pass, too."""

    def say(text):
        with capsys.disabled():
            print(f"\n    {text}", flush=True)

    return say


@pytest.fixture
def chance(say):
    """Random choices that can be made again with TOSGET_SEED."""
    seed = int(os.environ.get("TOSGET_SEED") or random.SystemRandom().getrandbits(32))
    say(f"TOSGET_SEED={seed}")
    return random.Random(seed)
