"""What tosget has beyond the official package: asyncio, handles, bars, all events, more results."""

import asyncio
import io
import threading

import pytest
import rich.console
import rich.progress
import tqdm
from conftest import MIB

import tosget
from tosget import DownloadEventType

SIZE = 4 * MIB + 321


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def only_first_part(emulator, store, key):
    """The first part comes, the others fail until this is undone."""
    rule = {"key": key, "operation": "GetObject", "range_covers": 3 * MIB, "verdict": {"status": {"status": 403}}}
    emulator.control("PUT", "faults", [rule])


def left_unfinished(client, emulator, store, path):
    """A download that failed after some parts."""
    store.put("k", SIZE)
    only_first_part(emulator, store, "k")
    with pytest.raises(tosget.TosServerError) as caught:
        client.download_file(store.bucket, "k", path, part_size=MIB)
    emulator.control("DELETE", "faults")
    emulator.forget_requests()
    return caught.value


def test_the_result_tells_what_happened(client, emulator, store, path):
    error = left_unfinished(client, emulator, store, path)
    assert error.is_resumable and error.kind == "Server" and not path.exists()
    done = client.download_file(store.bucket, "k", path, part_size=MIB)
    assert store.holds(path, SIZE)
    assert done.bytes_resumed == 3 * MIB and done.bytes_fetched == SIZE - 3 * MIB == emulator.bytes_sent()
    assert done.verification == "crc64" and done.content_crc64 == done.hash_crc64_ecma
    assert done.file_path == str(path) and done.elapsed > 0 and done.retries == 0
    assert done.requests == len(emulator.requests()) and done.first_request_id == done.request_id


def test_all_events_reach_who_asks_for_them(client, emulator, store, path):
    left_unfinished(client, emulator, store, path)
    official, all_events = [], []
    client.download_file(
        store.bucket,
        "k",
        path,
        part_size=MIB,
        download_event_listener=lambda type, *_: official.append(type.value),
        event_listener=all_events.append,
    )
    resumed = next(e for e in all_events if e.event_type is DownloadEventType.Download_Event_Resumed)
    assert resumed.details["bytes"] == 3 * MIB
    assert set(official) == {1, 3, 6}
    assert [e.event_type.value for e in all_events if e.event_type.value < 100] == official
    assert all_events[-1].file_path == str(path) and all_events[-1].bucket == store.bucket


def test_the_file_gets_the_objects_time_if_asked(client, store, path):
    store.put("k", SIZE)
    done = client.download_file(store.bucket, "k", path, preserve_mtime=True)
    assert path.stat().st_mtime == done.last_modified.timestamp()


def test_an_interval_of_an_hour_tells_all_bytes_at_once(client, store, path):
    store.put("k", SIZE)
    calls = []
    client.download_file(
        store.bucket, "k", path, progress_interval=3600, data_transfer_listener=lambda *call: calls.append(call[2:])
    )
    assert [(once, type.value) for once, type in calls] == [(0, 1), (SIZE, 2), (0, 3)]


def test_async_downloads_run_beside_each_other_and_call_on_the_loop(client, store, tmp_path):
    store.put("k", SIZE)

    async def main():
        here, threads = threading.get_ident(), set()
        listener = lambda *_: threads.add(threading.get_ident())  # noqa: E731
        paths = [tmp_path / str(number) for number in range(5)]
        done = await asyncio.gather(
            *(
                client.download_file_async(
                    store.bucket, "k", path, part_size=MIB, data_transfer_listener=listener, event_listener=listener
                )
                for path in paths
            )
        )
        assert threads == {here}
        return paths, done

    paths, done = asyncio.run(main())
    assert all(store.holds(path, SIZE) for path in paths)
    assert {output.content_length for output in done} == {SIZE}


def test_an_async_failure_is_raised(client, store, path):
    async def main():
        with pytest.raises(tosget.TosServerError) as caught:
            await client.download_file_async(store.bucket, "missing", path)
        assert caught.value.status_code == 404 and caught.value.code == "NoSuchKey"

    asyncio.run(main())


def test_a_canceled_task_keeps_its_checkpoint(client, emulator, store, path):
    store.put("k", SIZE)

    async def main():
        first = asyncio.Event()

        def listener(event):
            if event.event_type.value == 3:
                first.set()

        # Slow enough that it can't end before it is canceled.
        emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
        download = client.download_file_async(store.bucket, "k", path, part_size=MIB, event_listener=listener)
        task = asyncio.create_task(download)
        await first.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        emulator.control("PUT", "bandwidth", {})
        # It has ended: nothing holds the checkpoint any more.
        return await client.download_file_async(store.bucket, "k", path, part_size=MIB)

    done = asyncio.run(main())
    assert store.holds(path, SIZE)
    assert done.bytes_resumed >= MIB


def test_a_hook_stops_an_async_download(client, emulator, store, path):
    store.put("k", SIZE)

    class Asked(tosget.CancelHook):
        """Decides for itself, so it has to be asked."""

        is_pulled = False

        def is_cancel(self):
            if self.is_pulled:
                raise tosget.exceptions.CancelWithAbortError("enough")

    async def main(hook, pull):
        def listener(event):
            if event.event_type.value == 3:
                pull()

        emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
        with pytest.raises(tosget.TosClientError, match="the task is canceled"):
            await client.download_file_async(
                store.bucket, "k", path, part_size=MIB, cancel_hook=hook, event_listener=listener
            )
        emulator.control("PUT", "bandwidth", {})

    hook = tosget.CancelHook()
    asyncio.run(main(hook, lambda: hook.cancel(True)))
    asked = Asked()
    asyncio.run(main(asked, lambda: setattr(asked, "is_pulled", True)))
    assert list(path.parent.iterdir()) == []


def test_a_handle_is_waited_for(client, store, path):
    store.put("k", SIZE)
    download = client.download(store.bucket, "k", path, part_size=MIB)
    done = download.wait()
    assert store.holds(path, SIZE) and done.content_length == SIZE
    assert download.done() and download.state == "succeeded"
    assert download.progress().consumed_bytes == download.progress().total_bytes == SIZE
    assert download.progress().parts_total == 5


def test_a_handle_raises_what_a_call_raises(client, store, path):
    download = client.download(store.bucket, "missing", path)
    for _ in range(2):
        with pytest.raises(tosget.TosServerError):
            download.wait()
    assert download.state == "failed"


def test_a_handle_pauses_and_goes_on(client, emulator, store, path):
    store.put("k", SIZE)
    first = threading.Event()

    def listener(event):
        if event.event_type.value == 3:
            first.set()

    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
    download = client.download(store.bucket, "k", path, part_size=MIB, event_listener=listener)
    assert first.wait(60)
    download.pause()
    assert download.state == "paused" and not path.exists()
    before = len(emulator.requests())
    with pytest.raises(TimeoutError):
        download.wait(timeout=0)
    assert len(emulator.requests()) == before
    emulator.control("PUT", "bandwidth", {})
    download.resume()
    assert download.wait().bytes_resumed >= MIB
    assert store.holds(path, SIZE)
    download.pause()
    assert download.state == "succeeded"


@pytest.mark.parametrize("is_abort", [False, True])
@pytest.mark.parametrize("is_paused", [False, True])
def test_a_handle_is_canceled(client, emulator, store, path, is_abort, is_paused):
    store.put("k", SIZE)
    first = threading.Event()

    def listener(event):
        if event.event_type.value == 3:
            first.set()

    emulator.control("PUT", "bandwidth", {"total": 2 * MIB})
    download = client.download(store.bucket, "k", path, part_size=MIB, event_listener=listener)
    assert first.wait(60)
    if is_paused:
        download.pause()
    download.cancel(is_abort)
    with pytest.raises(tosget.TosClientError, match="the task is canceled"):
        download.wait()
    assert download.state == "canceled"
    assert (list(path.parent.iterdir()) == []) == is_abort


def test_a_handle_that_keeps_nothing_cannot_be_paused(client, store, path):
    store.put("k", SIZE)
    download = client.download(store.bucket, "k", path, enable_checkpoint=False)
    with pytest.raises(tosget.TosClientError, match="enable_checkpoint=False"):
        download.pause()
    download.wait()


def test_bad_arguments_of_a_handle_are_told_at_once(client, store, path):
    with pytest.raises(tosget.TosClientError, match="task_num"):
        client.download(store.bucket, "k", path, task_num=0)


def test_a_bar_of_tqdm(client, emulator, store, path):
    left_unfinished(client, emulator, store, path)
    with tqdm.tqdm(file=io.StringIO(), mininterval=0) as bar:
        client.download_file(store.bucket, "k", path, part_size=MIB, progress=bar)
        assert (bar.initial, bar.n, bar.total) == (3 * MIB, SIZE, SIZE)


def test_progress_of_rich(client, store, tmp_path):
    store.put("k", SIZE)
    with rich.progress.Progress(console=rich.console.Console(file=io.StringIO())) as progress:
        for name in ("one", "two"):
            client.download_file(store.bucket, "k", tmp_path / name, progress=progress)
        assert [(task.description, task.completed, task.total) for task in progress.tasks] == [("k", SIZE, SIZE)] * 2


@pytest.mark.parametrize("missing", [[], ["tqdm.auto"]])
def test_a_bar_where_none_is_given(client, store, path, capsys, monkeypatch, missing):
    store.put("deep/name.bin", SIZE)
    for name in missing:
        monkeypatch.setitem(__import__("sys").modules, name, None)
    client.download_file(store.bucket, "deep/name.bin", path, progress=True)
    shown = capsys.readouterr()
    assert "name.bin" in shown.out + shown.err


def test_a_bar_that_cannot_be_shown_is_refused(client, store, path, monkeypatch, emulator):
    import sys

    for name in ("tqdm.auto", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    for progress, message in ((True, "neither is installed"), (object(), "progress is")):
        with pytest.raises(tosget.TosClientError, match=message):
            client.download_file(store.bucket, "k", path, progress=progress)
    assert emulator.requests() == []


def test_a_rate_is_changed_under_way(client, store, path):
    store.put("k", SIZE)
    # At this rate it would take days.
    limiter = tosget.RateLimiter(rate=1, capacity=MIB)

    def listener(consumed, total, once, type):
        limiter.set_rate(1 << 40)
        limiter.set_capacity(1 << 40)

    client.download_file(store.bucket, "k", path, rate_limiter=limiter, data_transfer_listener=listener)
    assert store.holds(path, SIZE)
    assert (limiter.rate, limiter.capacity) == (1 << 40, 1 << 40)
