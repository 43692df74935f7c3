"""How soon a Ctrl-C is seen: by how the waiting is made, since a time that is measured says more about the machine."""

import signal
import threading
from types import SimpleNamespace

import pytest
from conftest import MIB

import tosget
from tosget import _calls

# What the README promises for a Ctrl-C, in seconds.
PROMISE = 0.1


class Ended(Exception):
    """How such a call ends."""


class Silent:
    """An operation of which nothing is heard until it is stopped, and how long it was waited for each time."""

    def __init__(self, interrupted_in):
        self.waits, self.stops, self.interrupted_in = [], [], interrupted_in

    def next(self, patience):
        self.waits.append(patience)
        if self.stops:
            return "failed", {"raised": Ended()}
        if len(self.waits) == self.interrupted_in:
            # As it is while the engine is waited for: Python sees it when it is back.
            signal.raise_signal(signal.SIGINT)
        assert len(self.waits) <= self.interrupted_in, "the interrupt was missed"
        return None

    def cancel(self, is_abort):
        self.stops.append((is_abort, len(self.waits)))


@pytest.fixture
def call(client, monkeypatch, tmp_path):
    """Calls a method of a client whose engine is the given operation."""

    def call(method, operation):
        begin = lambda request: operation  # noqa: E731
        engine = SimpleNamespace(download=begin, head=begin)
        monkeypatch.setattr(client, "_native", lambda bucket: engine)
        path = [tmp_path / "file"] if method == "download_file" else []
        return getattr(client, method)("bucket", "k", *path)

    return call


@pytest.mark.parametrize("method", ["download_file", "head_object"])
def test_an_interrupt_ends_the_very_wait_in_which_it_comes(call, method):
    operation = Silent(interrupted_in=5)
    with pytest.raises(KeyboardInterrupt):
        call(method, operation)
    # It was stopped without another wait, with what had arrived kept, and each wait is a fraction of the promise.
    assert operation.stops == [(False, 5)]
    assert max(operation.waits) <= PROMISE / 4


def test_a_thread_that_gets_no_signals_is_not_woken_for_them(call):
    operation = Silent(interrupted_in=3)
    operation.stops.append("as if it had ended at once")
    caught = []

    def work():
        with pytest.raises(Ended) as ended:
            call("download_file", operation)
        caught.append(ended)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught and operation.waits == [_calls.LONG_PATIENCE]


def test_a_wait_ends_when_its_time_is_over(client, store, emulator, tmp_path):
    """The engine keeps to the patience that it is given, however long the server is silent."""
    store.put("k", MIB)
    emulator.control("PUT", "faults", [{"key": "k", "verdict": {"stall_before_head": {}}}])
    download = client.download(store.bucket, "k", tmp_path / "file")
    while (operation := download._call.operation) is None:
        pass
    # The handle's own thread takes what there is; here it matters that these return.
    assert [operation.next(_calls.PATIENCE) for _ in range(20)] == [None] * 20
    download.cancel(True)
    with pytest.raises(tosget.TosClientError, match="the task is canceled"):
        download.wait()
