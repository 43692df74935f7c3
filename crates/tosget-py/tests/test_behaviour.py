"""How calls behave in a process: the interpreter's lock, threads, signals, forks, failures of listeners, leaks."""

import asyncio
import gc
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import MIB
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

import tosget

SIZE = 4 * MIB + 321

# Threads for blocking work end when they had none for some seconds, so their number is not always the same.
NATIVE_SPARE = 8


class Stop(Exception):
    """What a listener raises."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def script_for(body):
    """A program that has a client."""
    head = f"""
        import os, signal, sys, threading
        import tosget as tos
        client = tos.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, "http://{DOMAIN}", {REGION!r})
        bucket, path = sys.argv[1:]
    """
    return textwrap.dedent(head) + textwrap.dedent(body)


def start(body, store, path):
    command = [sys.executable, "-c", script_for(body), store.bucket, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(body, store, path):
    process = start(body, store, path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


@pytest.mark.parametrize("which", ["data_transfer_listener", "download_event_listener", "event_listener"])
def test_what_a_listener_raises_stops_the_download_and_is_raised(client, emulator, store, path, which):
    store.put("k", SIZE)
    parts = []

    def listener(*call):
        parts.append(call)
        if len(parts) == 3:
            raise Stop("enough")

    # Slow enough that the download can't end before it is stopped.
    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
    with pytest.raises(Stop, match="enough"):
        client.download_file(store.bucket, "k", path, part_size=MIB, **{which: listener})
    assert len(parts) == 3 and not path.exists()
    emulator.control("PUT", "bandwidth", {})
    done = client.download_file(store.bucket, "k", path, part_size=MIB)
    assert store.holds(path, SIZE) and done.bytes_resumed > 0


def test_listeners_are_called_by_the_caller_one_at_a_time_in_order(client, store, path):
    store.put("k", SIZE)
    calls, here = [], threading.get_ident()

    def transfer(consumed, total, once, type):
        assert threading.get_ident() == here
        calls.append(("transfer", type.value))

    def event(type, *_):
        assert threading.get_ident() == here
        calls.append(("event", type.value))

    client.download_file(
        store.bucket, "k", path, part_size=MIB, data_transfer_listener=transfer, download_event_listener=event
    )
    events = [value for kind, value in calls if kind == "event"]
    assert events == [1, 3, 3, 3, 3, 3, 6]
    assert calls[-1] == ("event", 6) and calls[-2] == ("transfer", 3)


def test_a_slow_listener_misses_no_event(client, store, path):
    parts = 12_000
    store.put("k", parts * 64)
    seen, gate = [], threading.Event()
    downloads = []

    def listener(type, err, bucket, key, version_id, file_path, checkpoint_file, tmp_file, part):
        # Nothing is fetched from the queue until all parts are there.
        if type.value == 1:
            assert gate.wait(60)
        if type.value == 3:
            seen.append((part.start, part.end))

    def open_gate():
        while downloads[0].progress().consumed_bytes < parts * 64:
            gate.wait(0.01)
        gate.set()

    download = client.download(store.bucket, "k", path, part_size=64, task_num=64, download_event_listener=listener)
    downloads.append(download)
    opener = threading.Thread(target=open_gate)
    opener.start()
    download.wait()
    opener.join()
    assert sorted(seen) == [(start, start + 64) for start in range(0, parts * 64, 64)]


def test_other_threads_run_while_one_downloads(client, emulator, store, path):
    store.put("k", SIZE)
    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
    counted = threading.Event()
    hook = tosget.CancelHook()

    def count():
        for _ in range(1_000_000):
            pass
        counted.set()
        hook.cancel(False)

    thread = threading.Thread(target=count)
    thread.start()
    # It would take two seconds; only the other thread can end it before.
    with pytest.raises(tosget.TosClientError, match="the task is canceled"):
        client.download_file(store.bucket, "k", path, part_size=SIZE + 1, cancel_hook=hook)
    assert counted.is_set()
    thread.join()


def test_many_threads_share_a_client_its_connections_and_a_limit(client, emulator, store, tmp_path):
    store.put("k", SIZE)
    limiter = tosget.RateLimiter(rate=1 << 30, capacity=1 << 30)
    paths = [tmp_path / str(number) for number in range(24)]

    def fetch(path):
        return client.download_file(store.bucket, "k", path, part_size=MIB, task_num=2, rate_limiter=limiter)

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(fetch, paths))) == 24
    assert all(store.holds(path, SIZE) for path in paths)
    connections = {request["connection"] for request in emulator.requests() if "connection" in request}
    assert len(connections) <= 8 * 2 + 8


def test_of_several_spellings_of_one_path_one_is_written_and_the_others_are_told(client, emulator, store, tmp_path):
    store.put("k", SIZE)
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to("d")
    spellings = ["d/file", "d/../d/file", "d//./file", "link/file", "link/../d/file"]
    # Slow enough that none ends before the others have begun.
    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})

    async def all_at_once():
        downloads = [client.download_file_async(store.bucket, "k", f"{tmp_path}/{one}") for one in spellings]
        return await asyncio.gather(*downloads, return_exceptions=True)

    ends = asyncio.run(all_at_once())
    refused = [end.kind for end in ends if isinstance(end, tosget.TosClientError)]
    assert refused == ["CheckpointHeld"] * 4, ends
    assert store.holds(tmp_path / "d/file", SIZE) and os.listdir(tmp_path / "d") == ["file"]


@pytest.mark.parametrize("way_in", ["download_file", "download"])
def test_ctrl_c_stops_a_download_and_keeps_its_checkpoint(emulator, store, path, client, way_in):
    store.put("k", SIZE)
    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
    waiting = ".wait()" if way_in == "download" else ""
    body = f"""
        def listener(type, *_):
            if type.value == 3:
                print("part", flush=True)
        try:
            client.{way_in}(bucket, "k", path, part_size=2**20, download_event_listener=listener){waiting}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with start(body, store, path) as process:
        assert process.stdout.readline() == "part\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == ""
    assert out.endswith("interrupted\n")
    emulator.control("PUT", "bandwidth", {})
    done = client.download_file(store.bucket, "k", path, part_size=MIB)
    assert store.holds(path, SIZE) and done.bytes_resumed >= MIB


def test_ctrl_c_stops_a_download_whose_server_is_silent(emulator, store, path, client):
    store.put("k", SIZE)
    emulator.control("PUT", "faults", [{"key": "k", "verdict": {"stall_after": {"bytes": 1000}}}])
    body = """
        def interrupt():
            os.kill(os.getpid(), signal.SIGINT)
        def listener(type, *_):
            # From now on nothing comes any more.
            threading.Timer(0.2, interrupt).start()
        try:
            client.download_file(bucket, "k", path, part_size=2**20, download_event_listener=listener)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    assert run(body, store, path) == "interrupted\n"


def test_a_child_of_a_fork_downloads_on_its_own(emulator, store, path):
    store.put("k", SIZE)
    body = """
        limiter = tos.RateLimiter(2**40, 2**40)
        hook = tos.CancelHook()
        def fetch(name):
            client.download_file(bucket, "k", path + name, part_size=2**20, task_num=4, rate_limiter=limiter, cancel_hook=hook)
        fetch("-before")
        running = client.download(bucket, "k", path + "-beside", part_size=2**20, task_num=4)
        children = []
        for number in range(4):
            child = os.fork()
            if child == 0:
                try:
                    running.wait()
                except RuntimeError as error:
                    assert "forked" in str(error)
                fetch(f"-child-{number}")
                # The ordinary end of an interpreter, with all that is dropped in it.
                sys.exit(0)
            children.append(child)
        fetch("-parent")
        running.wait()
        print([os.waitpid(child, 0)[1] for child in children])
    """
    assert run(body, store, path) == "[0, 0, 0, 0]\n"
    names = ["before", "beside", "parent", *(f"child-{number}" for number in range(4))]
    assert all(store.holds(path.parent / f"file-{name}", SIZE) for name in names)


def test_an_interpreter_that_ends_stops_its_downloads_in_order(emulator, store, path, client):
    store.put("k", SIZE)
    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
    body = """
        part = threading.Event()
        def listener(type, *_):
            if type.value == 3:
                part.set()
        client.download(bucket, "k", path, part_size=2**20, download_event_listener=listener)
        assert part.wait(60)
    """
    run(body, store, path)
    emulator.control("PUT", "bandwidth", {})
    events = []
    done = client.download_file(store.bucket, "k", path, part_size=MIB, event_listener=events.append)
    assert store.holds(path, SIZE) and done.bytes_resumed >= MIB
    resumed = next(event for event in events if event.event_type.value == 101)
    # The end was in order: nothing has to be read back.
    assert resumed.details["doubtful_bytes"] == 0


def test_an_interpreter_that_ends_takes_no_thread_away_in_the_middle(store, path):
    """One that comes back from Python into the engine's frames meanwhile would abort the process."""
    body = """
        import time
        asked = threading.Event()
        class Slow:
            def get_credentials(self):
                asked.set()
                for _ in range(300):
                    time.sleep(0.001)
                raise ValueError("too late")
        class Late:
            sleep = time.sleep
            def __del__(self):
                # While the interpreter is taken apart.
                self.sleep(0.5)
        late = Late()
        slow = tos.TosClientV2(endpoint="http://tos.test", region="cn-beijing", credentials_provider=Slow())
        for call in (lambda: slow.head_object(bucket, "k"), lambda: slow.download_file(bucket, "k", path)):
            threading.Thread(target=call, daemon=True).start()
        slow.download(bucket, "k", path + "-beside")
        assert asked.wait(60)
    """
    run(body, store, path)


def open_files():
    return len(os.listdir("/proc/self/fd"))


def native_threads():
    return len(os.listdir("/proc/self/task"))


def resident_kib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.fixture
def in_memory(tmp_path):
    """A directory where a sync costs nothing, if there is one."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield pathlib.Path(directory)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
def test_nothing_is_left_of_ten_thousand_downloads(client, store, in_memory, say):
    store.put("k", 100)
    hook, limiter = tosget.CancelHook(), tosget.RateLimiter(1 << 40, 1 << 40)

    def fetch(count):
        for number in range(count):
            client.download_file(
                store.bucket,
                "k",
                in_memory / "file",
                enable_checkpoint=False,
                data_transfer_listener=lambda *_: None,
                event_listener=lambda *_: None,
                cancel_hook=hook,
                rate_limiter=limiter,
            )
            # A failure has more to let go of: an exception, and what it refers to.
            if number % 10 == 0:
                with pytest.raises(tosget.TosServerError):
                    client.download_file(store.bucket, "missing", in_memory / "file")
        gc.collect()
        return len(gc.get_objects()), threading.active_count(), native_threads(), open_files(), resident_kib()

    seen = [fetch(500), *(fetch(2_500) for _ in range(4))]
    say("objects, threads, native threads, files, KiB after 500, 3,000 … 10,500 downloads:", *seen)
    objects, threads, natives, files, kib = zip(*seen)
    assert len(set(threads)) == 1
    assert max(objects) - objects[0] <= 50 and max(files) - files[0] <= 2 and max(natives) - natives[0] <= NATIVE_SPARE
    # 300 bytes a download would be more than this.
    assert kib[-1] - kib[0] < 3_000


@pytest.fixture
def say(capsys):
    def say(*lines):
        with capsys.disabled():
            print("", *lines, sep="\n    ", flush=True)

    return say


def test_a_provider_is_asked_without_holding_anything_up(emulator, store, path):
    """A provider that itself takes long does not hold up other downloads."""
    store.put("k", SIZE)
    opened = threading.Event()

    class Slow:
        def get_credentials(self):
            assert opened.wait(60)
            return tosget.credential.Credentials(ACCESS_KEY, SECRET_KEY)

    slow = tosget.TosClientV2(endpoint=f"http://{DOMAIN}", region=REGION, credentials_provider=Slow())
    quick = tosget.TosClientV2(ACCESS_KEY, SECRET_KEY, f"http://{DOMAIN}", REGION)
    downloads = [slow.download(store.bucket, "k", f"{path}-{number}", task_num=4) for number in range(8)]
    quick.download_file(store.bucket, "k", path)
    assert not any(download.done() for download in downloads)
    opened.set()
    for download in downloads:
        download.wait()
