"""Where tosget differs from the official package on purpose: each line of the list in README.md has its test here, made in both, so
that the list stays true."""

import threading

import pytest
from conftest import MIB, Way

import tosget

SIZE = 3 * MIB + 5


def fails_at(emulator, offset, **verdict):
    emulator.control("PUT", "faults", [{"operation": "GetObject", "range_covers": offset, "verdict": verdict}])


def left_unfinished(way, emulator, store, path, **options):
    """A download of which the last part is missing."""
    store.put("k", SIZE)
    fails_at(emulator, SIZE - 1, status={"status": 403})
    with pytest.raises(way.module("exceptions").TosServerError):
        fetch(way, store, path, **options)
    emulator.control("DELETE", "faults")
    emulator.forget_requests()


def fetch(way, store, path, **options):
    settings = options.pop("settings", {})
    return way.client(**settings).download_file(store.bucket, "k", str(path), part_size=MIB, **options)


def test_a_lost_temporary_file(in_all_ways, emulator, store):
    def look(way, directory):
        left_unfinished(way, emulator, store, directory / "file")
        for path in directory.iterdir():
            if path.name.endswith((".temp", ".tosget-part")) or path.stat().st_size >= MIB:
                path.unlink()
        fetch(way, store, directory / "file")
        return store.holds(directory / "file", SIZE)

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == (False, True, True)


def test_an_abort_keeps_the_file_that_was_there(in_all_ways, store):
    store.put("k", SIZE)

    def look(way, directory):
        path = directory / "file"
        path.write_text("precious")
        hook = way.module("checkpoint").CancelHook()
        hook.cancel(True)
        with pytest.raises(way.module("exceptions").TosClientError):
            fetch(way, store, path, cancel_hook=hook)
        return path.exists() and path.read_text()

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == (False, "precious", "precious")


def test_the_codes_of_a_refusal_reach_the_user(in_all_ways, store):
    def look(way, directory):
        with pytest.raises(way.module("exceptions").TosServerError) as caught:
            fetch(way, store, directory / "file")
        return caught.value.code

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == ("", "NoSuchKey", "NoSuchKey")


def test_a_broken_body_is_retried(in_all_ways, emulator, store):
    store.put("k", SIZE)

    def look(way, directory):
        rule = {"operation": "GetObject", "times": 1, "verdict": {"reset_after": {"bytes": 1000}}}
        emulator.control("PUT", "faults", [rule])
        try:
            return fetch(way, store, directory / "file").retries
        except way.module("exceptions").TosClientError as error:
            return error.message

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == ("unknown err", 1, 1)


def test_progress_of_a_resumed_download_starts_and_that_of_a_failed_one_ends(in_all_ways, emulator, store):
    def look(way, directory):
        calls = []
        listener = lambda *call: calls.append((call[0], call[3].value))  # noqa: E731
        left_unfinished(way, emulator, store, directory / "file", data_transfer_listener=listener)
        failed = calls[-1][1]
        calls.clear()
        fetch(way, store, directory / "file", data_transfer_listener=listener)
        return failed, calls[0][1]

    seen = in_all_ways(look)
    assert seen.official != (4, 1)
    assert seen.tosget == seen.accelerated == (4, 1)


def test_an_absolute_key_does_not_leave_the_directory(in_all_ways, emulator, store, tmp_path):
    outside = tmp_path / "outside"
    key = str(outside)
    emulator.make_object(store.bucket, key, 5, 7)

    def look(way, directory):
        outside.unlink(missing_ok=True)
        into = directory / "into"
        into.mkdir()
        try:
            way.client().download_file(store.bucket, key, str(into))
        except way.module("exceptions").TosClientError:
            pass
        return outside.exists()

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == (True, False, False)


def test_the_checkpoint_file_is_the_one_that_was_named(in_all_ways, emulator, store, monkeypatch):
    def look(way, directory):
        monkeypatch.chdir(directory)
        try:
            left_unfinished(way, emulator, store, directory / "file", checkpoint_file="my.ckpt")
        except FileNotFoundError:
            return "FileNotFoundError"
        return (directory / "my.ckpt").exists()

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == ("FileNotFoundError", True, True)


def test_without_a_checkpoint_nothing_is_left(in_all_ways, emulator, store):
    def look(way, directory):
        left_unfinished(way, emulator, store, directory / "file", enable_checkpoint=False)
        return list(directory.iterdir()) == []

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == (False, True, True)


def test_versions_are_resumed(in_all_ways, emulator, store):
    import tos

    official = Way("official").client()
    official.put_bucket_versioning(store.bucket, tos.enum.VersioningStatusType.Versioning_Status_Enabled)

    def look(way, directory):
        version = official.put_object(store.bucket, "k", content=b"x" * SIZE).version_id
        fails_at(emulator, SIZE - 1, status={"status": 403})
        with pytest.raises(way.module("exceptions").TosServerError):
            fetch(way, store, directory / "file", version_id=version)
        emulator.control("DELETE", "faults")
        emulator.forget_requests()
        fetch(way, store, directory / "file", version_id=version)
        return emulator.bytes_sent() < SIZE

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == (False, True, True)


def test_another_part_size_goes_on(in_all_ways, emulator, store):
    def look(way, directory):
        left_unfinished(way, emulator, store, directory / "file")
        way.client().download_file(store.bucket, "k", str(directory / "file"), part_size=MIB + 1)
        return emulator.bytes_sent() < SIZE

    seen = in_all_ways(look)
    assert (seen.official, seen.tosget, seen.accelerated) == (False, True, True)


def test_a_download_to_a_file_that_another_is_at(emulator, store, tmp_path):
    """The official package lets both write; here the second is told."""
    store.put("k", SIZE)
    emulator.control("PUT", "bandwidth", {"total": MIB})
    began = threading.Event()
    way = Way("tosget")
    download = way.client().download(
        store.bucket, "k", tmp_path / "file", part_size=MIB, event_listener=lambda _: began.set()
    )
    assert began.wait(60)
    with pytest.raises(tosget.TosClientError) as caught:
        fetch(way, store, tmp_path / "file")
    assert caught.value.kind == "CheckpointHeld"
    download.cancel(True)


def test_a_limiter_with_a_small_capacity_works(store, tmp_path):
    """The official one waits for ever where its capacity is below 64 KiB."""
    store.put("k", 3000)
    limiter = tosget.RateLimiter(rate=1 << 30, capacity=1000)
    fetch(Way("tosget"), store, tmp_path / "file", rate_limiter=limiter)
    assert store.holds(tmp_path / "file", 3000)
