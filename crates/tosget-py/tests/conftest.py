"""The Python package against the emulator, with the official package beside it.

The emulator is named by TOS_EMULATOR_BIN; `cargo xtask test python` builds it and the package, and runs this. Both packages reach
it as their HTTP proxy, as the environment says, so that bucket names in host names work without DNS.
"""

import importlib
import signal
import uuid
from types import SimpleNamespace

import emulator as tos_emulator
import pytest
import tos
from content import Generated
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

import tosget

MIB = 1 << 20
SEED = 7

# The three ways to call `download_file`. Whatever is no documented difference is the same in all of them.
WAYS = ("official", "tosget", "accelerated")


# A background job of a shell is started with SIGINT ignored, and so would be all that it starts. A signal with a handler is the default
# again there.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    with tos_emulator.running(tmp_path_factory.mktemp("objects")) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def environment(emulator, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, emulator.url)
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield
    tosget.restore()
    emulator.control("DELETE", "faults")
    emulator.control("PUT", "bandwidth", {})
    emulator.forget_requests()


@pytest.fixture(scope="session")
def generated():
    """Content of all objects that `store` makes."""
    return Generated(SEED)


class Store:
    """A bucket of the emulator's."""

    def __init__(self, emulator, generated):
        self.emulator = emulator
        self.generated = generated
        self.bucket = f"python-{uuid.uuid4().hex[:12]}"
        emulator.control("POST", "buckets", {"bucket": self.bucket})

    def put(self, key, size):
        self.emulator.make_object(self.bucket, key, size, SEED)
        return key

    def holds(self, path, size):
        return self.generated.is_in(path, size)


@pytest.fixture
def store(emulator, generated):
    return Store(emulator, generated)


class Way:
    """One of the three ways, with the package that a script would see as `tos`."""

    def __init__(self, name):
        self.name = name
        self.tos = tosget if name == "tosget" else tos
        if name == "accelerated":
            tosget.accelerate()
        else:
            tosget.restore()

    @property
    def is_ours(self):
        return self.name != "official"

    def client(self, **settings):
        keys = {"ak": ACCESS_KEY, "sk": SECRET_KEY, "endpoint": f"http://{DOMAIN}", "region": REGION}
        return self.tos.TosClientV2(**{**keys, **settings})

    def module(self, name):
        return importlib.import_module(f"{self.tos.__name__}.{name}")


@pytest.fixture(params=WAYS)
def way(request):
    return Way(request.param)


@pytest.fixture
def in_all_ways(tmp_path):
    """Makes an observation in each way and returns them by their names."""

    def observe(look):
        seen = {}
        for name in WAYS:
            directory = tmp_path / name
            directory.mkdir(exist_ok=True)
            seen[name] = look(Way(name), directory)
        return SimpleNamespace(**seen)

    return observe


@pytest.fixture
def same(in_all_ways):
    """Makes an observation in each way, and asserts that there is no difference."""

    def check(look):
        seen = in_all_ways(look)
        assert seen.tosget == seen.official
        assert seen.accelerated == seen.official
        return seen.official

    return check


@pytest.fixture
def client():
    return Way("tosget").client()
