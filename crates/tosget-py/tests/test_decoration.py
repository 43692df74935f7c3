"""Decoration never fails, stops or slows a download: progress bars, the streams they write to, and logs."""

import asyncio
import fcntl
import gzip
import io
import logging
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager

import pytest
import rich.console
import rich.progress
import tqdm
from conftest import MIB
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

import tosget
from tosget import _apart

SIZE = 3 * MIB + 17

# More than any of these downloads takes, and less than a bar that is waited for would.
SOON = 30


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


class Broken:
    """A stream whose ways all lead to an error."""

    encoding = "utf-8"

    def __init__(self, error=OSError, after=0):
        self.error = error
        self.left = after

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise self.error("broken")
        return len(text)

    def flush(self):
        self.write("")

    def isatty(self):
        raise self.error("broken")

    def fileno(self):
        raise self.error("broken")


class Notebook:
    """A stream as notebooks have them: with nothing below it that has a number."""

    encoding = "UTF-8"

    def __init__(self):
        self.texts = []

    def write(self, text):
        self.texts.append(text)

    def flush(self):
        pass


class Stuck(Notebook):
    """A stream that takes nothing before it is told to."""

    def __init__(self):
        super().__init__()
        self.told = threading.Event()

    def write(self, text):
        self.told.wait()


@pytest.fixture
def stuck():
    stream = Stuck()
    yield stream
    stream.told.set()
    for thread in bars():
        thread.join(SOON)


def bars():
    return [thread for thread in threading.enumerate() if thread.name == "tosget-decoration"]


@contextmanager
def full(writing, reading):
    """Fills a pipe or a terminal to the brim."""
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    try:
        yield
    finally:
        drain = threading.Thread(target=read_all, args=(reading,), daemon=True)
        drain.start()
        for thread in bars():
            thread.join(SOON)


def read_all(reading):
    try:
        while os.read(reading, 65536):
            pass
    except OSError:
        pass


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def is_free(lock):
    """Whether another thread gets it."""
    got = []

    def take():
        # The lock of tqdm's is made of several, and does not tell whether it was got.
        for one in lock.locks:
            if not one.acquire(timeout=5):
                return
        got.append(True)
        lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return bool(got)


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "os error": Broken,
    "value error": lambda: Broken(ValueError),
    "exit": lambda: Broken(SystemExit),
    "interrupt": lambda: Broken(KeyboardInterrupt),
    "later": lambda: Broken(after=5),
    "no stream": object,
    "notebook": Notebook,
}


@pytest.mark.parametrize("stream", STREAMS)
def test_whatever_a_stream_is_a_bar_on_it_fails_nothing(client, store, path, standard, stream, library):
    store.put("k", SIZE)
    standard(STREAMS[stream]())
    client.download_file(store.bucket, "k", f"{path}-blocking", progress=True)
    asyncio.run(client.download_file_async(store.bucket, "k", f"{path}-async", progress=True))
    client.download(store.bucket, "k", f"{path}-handle", progress=True).wait(SOON)
    for way in ("blocking", "async", "handle"):
        assert store.holds(path.with_name(f"file-{way}"), SIZE)
    assert is_free(tqdm.tqdm.get_lock())


@pytest.fixture(params=["tqdm", "rich"])
def library(request, monkeypatch):
    if request.param == "rich":
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    return request.param


@pytest.fixture
def standard(monkeypatch):
    """Makes a stream both standard output and standard error."""

    def standard(stream):
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, stream)

    return standard


def test_a_stream_that_takes_nothing_costs_one_wait_and_a_few_threads(client, store, path, standard, library, stuck):
    store.put("k", 1000)
    standard(stuck)
    began = time.monotonic()
    for _ in range(40):
        client.download_file(store.bucket, "k", path, progress=True)
    assert time.monotonic() - began < 20
    assert 0 < len(bars()) <= 8
    assert store.holds(path, 1000)
    # No bar of somebody else's waits for ours.
    assert is_free(tqdm.tqdm.get_lock())
    stuck.told.set()
    for thread in bars():
        thread.join(SOON)
    notebook = Notebook()
    standard(notebook)
    client.download_file(store.bucket, "k", path, progress=True)
    assert notebook.texts


def test_an_event_loop_goes_on_while_a_bar_hangs(client, store, path, standard, library, stuck, monkeypatch):
    store.put("k", 1000)
    standard(stuck)
    monkeypatch.setattr(_apart, "_PATIENCE", 5.0)
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def main():
        ticking = asyncio.create_task(tick())
        await client.download_file_async(store.bucket, "k", path, progress=True)
        ticking.cancel()

    asyncio.run(main())
    assert store.holds(path, 1000)
    assert max(later - earlier for earlier, later in zip(ticks, ticks[1:])) < 2.5


def test_a_stream_that_is_more_than_its_descriptor_gets_the_bar_itself(client, store, path, standard, library):
    """A bar that wrote to the descriptor of a compressed file would destroy it, and a copy to elsewhere would lack it."""
    store.put("k", SIZE)
    with open(path.with_suffix(".log"), "w") as log:

        class Tee(Notebook):
            def __getattr__(self, name):
                return getattr(log, name)

        tee = Tee()
        standard(tee)
        client.download_file(store.bucket, "k", path, progress=True)
        assert tee.texts and log.tell() == 0
    with gzip.open(path.with_suffix(".gz"), "wt", encoding="utf-8") as packed:
        standard(packed)
        client.download_file(store.bucket, "k", path, progress=True)
    with gzip.open(path.with_suffix(".gz"), "rt", encoding="utf-8") as packed:
        assert "k" in packed.read()


def test_a_log_file_gets_the_bar_between_its_own_lines(client, store, path, standard, library):
    store.put("k", SIZE)
    with open(path.with_suffix(".log"), "w", encoding="utf-8") as log:
        standard(log)
        print("before", flush=True)
        client.download_file(store.bucket, "k", path, progress=True)
        print("after", flush=True)
    text = path.with_suffix(".log").read_text(encoding="utf-8")
    assert text.index("before") < text.index("3.00M" if library == "tqdm" else "3.0/3.0") < text.index("after")


def test_on_a_terminal_a_bar_keeps_clear_of_others_and_of_what_tqdm_writes(client, store, path, standard):
    """There no write waits, so all bars share lines and lock; what `tqdm.write` says does not get into a bar."""
    store.put("k", SIZE)
    leading, following = pty.openpty()
    fcntl.ioctl(following, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    seen = []
    with open(following, "w", encoding="utf-8") as terminal, tqdm.tqdm(total=2, file=terminal, desc="outer") as outer:
        standard(terminal)
        reader = threading.Thread(target=read_into, args=(leading, seen))
        reader.start()

        def listener(event):
            if event.event_type.value == 3:
                tqdm.tqdm.write("a line")

        client.download_file(store.bucket, "k", path, progress=True, event_listener=listener)
        outer.update()
    # What reads a terminal that nobody has open any more gets an error.
    reader.join()
    os.close(leading)
    text = b"".join(seen).decode()
    # A line below the other one's, and cleared before the line is written.
    assert "\n\rk: " in text.replace("\r\n", "\n") and "a line" in text
    assert "B/s]a line" not in text


def read_into(fd, seen):
    try:
        while some := os.read(fd, 65536):
            seen.append(some)
    except OSError:
        pass


def test_a_terminal_or_pipe_that_nobody_reads_holds_up_nobody(client, store, path, standard, library):
    store.put("k", SIZE)
    for reading, writing in (os.pipe(), pty.openpty()):
        with open(writing, "w", encoding="utf-8") as stream, full(writing, reading):
            standard(stream)
            client.download_file(store.bucket, "k", path, progress=True)
            # Nothing was left hanging: what is not taken is left out.
            assert not bars()
            assert is_free(tqdm.tqdm.get_lock())
        assert store.holds(path, SIZE)
        path.unlink()


def test_a_bar_of_ones_own_whose_pipe_nobody_reads_is_not_drawn_and_keeps_no_lock(client, store, path):
    store.put("k", SIZE)
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream:
        bar = tqdm.tqdm(file=stream, mininterval=0)
        with full(writing, reading):
            client.download_file(store.bucket, "k", path, progress=bar)
            assert not bars()
            assert is_free(tqdm.tqdm.get_lock())
            assert (bar.n, bar.total) == (SIZE, SIZE)
        bar.close()
    assert store.holds(path, SIZE)


def test_progress_of_rich_whose_pipe_nobody_reads_stops_nothing(client, store, path):
    store.put("k", SIZE)
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream:
        progress = rich.progress.Progress(console=rich.console.Console(file=stream, force_terminal=True))
        progress.start()
        with full(writing, reading):
            client.download_file(store.bucket, "k", path, progress=progress)
            client.download(store.bucket, "k", path, progress=progress).wait(SOON)
            assert store.holds(path, SIZE)
        progress.stop()


def test_a_stream_that_is_replaced_and_closed_under_way_fails_nothing(client, store, path, monkeypatch):
    store.put("k", SIZE)
    first = io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)

    def listener(*_):
        first.close()
        sys.stderr = None

    client.download_file(store.bucket, "k", path, progress=True, data_transfer_listener=listener)
    assert store.holds(path, SIZE)


class FailingBar:
    """A bar of somebody's own, which looks as tqdm's do."""

    total = None
    n = 0

    def __init__(self, error):
        self.error = error

    def update(self, _=0):
        raise self.error("broken")

    refresh = update


class FailingProgress(rich.progress.Progress):
    def update(self, *_, **__):
        raise ValueError("broken")


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_bar_of_somebodys_own_that_fails_fails_nothing_else(client, store, path, error):
    store.put("k", SIZE)
    client.download_file(store.bucket, "k", path, progress=FailingBar(error))
    client.download(store.bucket, "k", path, progress=FailingBar(error)).wait(SOON)
    assert store.holds(path, SIZE)


def test_progress_of_rich_that_fails_fails_nothing_else(client, store, path):
    store.put("k", SIZE)
    client.download_file(store.bucket, "k", path, progress=FailingProgress(disable=True))
    assert store.holds(path, SIZE)


@pytest.mark.parametrize("error", [OSError, SystemExit])
def test_a_bar_of_tqdm_whose_stream_breaks_leaves_the_lock_of_all_bars_free(client, store, path, error):
    store.put("k", SIZE)
    bar = tqdm.tqdm(file=Broken(error, after=3), mininterval=0)
    client.download_file(store.bucket, "k", path, progress=bar)
    assert store.holds(path, SIZE)
    assert is_free(tqdm.tqdm.get_lock())
    bar.disable = True


def test_a_bar_is_at_its_end_when_the_call_returns(client, store, path):
    store.put("k", SIZE)
    for _ in range(20):
        with tqdm.tqdm(file=io.StringIO()) as bar:
            client.download_file(store.bucket, "k", path, progress=bar)
            assert (bar.n, bar.total) == (SIZE, SIZE)


@pytest.fixture
def slow(monkeypatch):
    """Makes each download one that the log is told of."""
    monkeypatch.setattr("tosget.clientv2.time.perf_counter", iter(range(0, 10**6, 1000)).__next__)


@contextmanager
def handled(emit):
    """A handler of the log that does this."""
    handler = logging.Handler()
    handler.emit = emit
    logging.getLogger("tosget").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("tosget").removeHandler(handler)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_handler_of_the_log_that_raises_fails_nothing(client, store, path, slow, error):
    records = []

    def emit(record):
        records.append(record)
        raise error("broken")

    store.put("k", SIZE)
    with handled(emit):
        client.download_file(store.bucket, "k", path)
    assert store.holds(path, SIZE) and len(records) == 1


def test_a_handler_of_the_log_that_hangs_is_not_waited_for(client, store, path, slow, stuck):
    store.put("k", SIZE)
    with handled(stuck.write):
        for _ in range(20):
            client.download_file(store.bucket, "k", path)
    assert store.holds(path, SIZE) and 0 < len(bars()) <= 8


def test_what_the_log_would_wait_for_is_not_logged(client, store, path, slow, standard):
    """A thread that hangs in a handler keeps its lock, which the interpreter's end needs."""
    store.put("k", SIZE)
    records = []
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream, full(writing, reading), handled(records.append):
        standard(stream)
        client.download_file(store.bucket, "k", path)
    assert store.holds(path, SIZE) and not records


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("which", ["data_transfer_listener", "event_listener"])
def test_whatever_a_listener_raises_ends_the_call_and_keeps_the_checkpoint(client, store, path, kind, which):
    store.put("k", SIZE)

    def listener(*_):
        raise kind("mine")

    with pytest.raises(kind, match="mine"):
        client.download_file(store.bucket, "k", path, part_size=MIB, **{which: listener})
    with pytest.raises(kind, match="mine"):
        client.download(store.bucket, "k", path, part_size=MIB, **{which: listener}).wait(SOON)
    client.download_file(store.bucket, "k", path, part_size=MIB)
    assert store.holds(path, SIZE)


# Makes a pipe or a terminal that takes nothing any more both streams.
FILLED = """
os.set_blocking(writing, False)
try:
    while True:
        os.write(writing, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(writing, True)
os.dup2(writing, 1)
os.dup2(writing, 2)
"""
# What a script does before it downloads; `>&-` and the like are the shell's.
SCRIPTS = {
    "closed by the shell": ("", "2>&-"),
    "all closed by the shell": ("", ">&- 2>&- <&-"),
    "full": ("", ">/dev/full 2>/dev/full"),
    "closed by the script": ("sys.stderr.close()", ""),
    "closed below the script": ("os.close(2)", ""),
    "a pipe that nobody reads": ("reading, writing = os.pipe()" + FILLED, ""),
    "a terminal that nobody reads": ("reading, writing = os.openpty()" + FILLED, ""),
    "a pipe without a reader": ("reading, writing = os.pipe(); os.dup2(writing, 2); os.close(reading)", ""),
}


def end_of(path, script, redirection="", *arguments):
    """Runs a script, and returns how it ended."""
    script_path = path.with_suffix(".py")
    script_path.write_text(script)
    command = f'exec "$@" {redirection}'
    python = [sys.executable, *arguments, str(script_path)]
    return subprocess.run(["sh", "-c", command, "sh", *python], stdin=subprocess.DEVNULL, timeout=2 * SOON).returncode


@pytest.mark.parametrize("library_name", ["tqdm", "rich"])
@pytest.mark.parametrize("how", SCRIPTS)
def test_a_script_with_bars_ends_whatever_its_stderr_is(store, path, how, library_name):
    store.put("k", SIZE)
    before, redirection = SCRIPTS[how]
    hidden = "sys.modules['tqdm.auto'] = None" if library_name == "rich" else ""
    script = f"""
import asyncio, os, sys, threading
import tosget
{before}
{hidden}
client = tosget.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, "http://{DOMAIN}", {REGION!r})
def fetch(name):
    client.download_file({store.bucket!r}, "k", {str(path)!r} + name, progress=True)
threads = [threading.Thread(target=fetch, args=(str(number),)) for number in range(3)]
for thread in threads:
    thread.start()
fetch("main")
client.download({store.bucket!r}, "k", {str(path)!r} + "handle", progress=True).wait(20)
asyncio.run(client.download_file_async({store.bucket!r}, "k", {str(path)!r} + "async", progress=True))
for thread in threads:
    thread.join()
"""
    assert end_of(path, script, redirection) == 0
    for name in ("0", "1", "2", "main", "handle", "async"):
        assert store.holds(path.with_name(path.name + name), SIZE)


@pytest.mark.parametrize("how", SCRIPTS)
def test_a_script_of_the_official_package_ends_whatever_its_stderr_is(store, emulator, path, how):
    """With a log that has something to say."""
    store.put("k", SIZE)
    emulator.control("PUT", "bandwidth", {"total": 4 * MIB})
    before, redirection = SCRIPTS[how]
    script = f"""
import os, sys
import tos
{before}
client = tos.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, "http://{DOMAIN}", {REGION!r}, high_latency_log_threshold=10**9)
client.download_file({store.bucket!r}, "k", {str(path)!r})
"""
    assert end_of(path, script, redirection, "-m", "tosget") == 0
    assert store.holds(path, SIZE)


def test_no_file_of_ours_gets_the_number_of_a_standard_stream(store, path):
    store.put("k", SIZE)
    script = f"""
import os
import tosget
client = tosget.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, "http://{DOMAIN}", {REGION!r})
os.close(0), os.close(1), os.close(2)
def listener(*_):
    for number in range(3):
        assert os.readlink(f"/proc/self/fd/{{number}}") == "/dev/null"
client.download_file({store.bucket!r}, "k", {str(path)!r}, data_transfer_listener=listener)
"""
    assert end_of(path, script) == 0
    assert store.holds(path, SIZE)


def test_an_interpreter_ends_though_listeners_and_bars_hang(store, emulator, path):
    store.put("k", SIZE)
    script = f"""
import sys, threading
import tosget
class Stuck:
    def write(self, text):
        threading.Event().wait()
    flush = None
sys.stderr = Stuck()
client = tosget.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, "http://{DOMAIN}", {REGION!r})
hanging = threading.Semaphore(0)
def listener(*_):
    hanging.release()
    threading.Event().wait()
for number in range(20):
    client.download({store.bucket!r}, "k", f"{path}-{{number}}", progress=True, data_transfer_listener=listener)
for number in range(20):
    hanging.acquire()
sys.stderr = sys.__stderr__
"""
    assert end_of(path, script) == 0
