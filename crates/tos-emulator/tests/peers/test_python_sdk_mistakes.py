"""What the official Python SDK's download_file does wrong, so that docs/compared.md stays true of it.

A test that fails here is good news: that version of the SDK no longer makes the mistake, and the table has to say so.
"""

import inspect
import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import tos
from conftest import ACCESS_KEY, ENDPOINT, REGION, SECRET_KEY, some
from tos.enum import DataTransferType, DownloadEventType, VersioningStatusType
from tos.utils import RateLimiter

PART = 64 * 1024
PARTS = 6
SIZE = PARTS * PART
LAST = SIZE - PART
DATA = some(SIZE)
REFUSAL = {"status": {"status": 403, "code": "AccessDenied"}}


@pytest.fixture
def stored(client, bucket):
    client.put_object(bucket, "k", content=DATA)
    return bucket


@pytest.fixture
def download(client, stored):
    """Downloads `k` in parts, one after the other."""

    def run(path, key="k", client=client, **options):
        options = {"part_size": PART, "task_num": 1, **options}
        return client.download_file(stored, key, str(path), **options)

    return run


@pytest.fixture
def interrupted(control, stored, download):
    """A run that is refused its last part."""

    def run(*arguments, verdict=REFUSAL, **options):
        control.fault(stored, verdict, range_from=LAST)
        with pytest.raises(tos.exceptions.TosError):
            download(*arguments, **options)
        control.clear_faults()
        control.forget_requests()

    return run


def gets(control):
    return sum(request["method"] == "GET" for request in control.requests())


def hook_that_aborts(at):
    """A cancel hook and a listener that pulls it at an event."""
    hook = tos.checkpoint.CancelHook()

    def listen(event_type, *_):
        if event_type is at:
            hook.cancel(is_abort=True)

    return hook, listen


def test_p01_a_lost_temporary_file_is_taken_for_zeros(interrupted, download, tmp_path):
    target = tmp_path / "out"
    interrupted(target)
    Path(f"{target}.temp").unlink()
    download(target)
    assert target.read_bytes() == bytes(LAST) + DATA[LAST:]


def test_p02_a_kill_loses_the_tail_of_a_recorded_part(stored, download, tmp_path):
    target = tmp_path / "out"
    # What comes last of a part is small enough to wait in the file's buffer.
    part_size = PART + 3000
    script = textwrap.dedent(f"""
        import os, tos
        from tos.checkpoint import CheckPointStore

        put = CheckPointStore.put
        def put_and_die(self, *arguments, **named):
            put(self, *arguments, **named)
            if len(named["value"]["parts_info"]) == 2:
                os._exit(9)
        CheckPointStore.put = put_and_die
        client = tos.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, {ENDPOINT!r}, {REGION!r})
        client.download_file({stored!r}, "k", {str(target)!r}, part_size={part_size}, task_num=1)
    """)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert killed.returncode == 9, killed.stderr
    download(target, part_size=part_size)
    made = target.read_bytes()
    assert len(made) == SIZE and made != DATA


@pytest.mark.parametrize("options", [{}, {"checkpoint_file": "checkpoints/"}], ids=["p03", "p04"])
def test_p03_p04_two_directories_share_a_checkpoint(
    interrupted, download, control, tmp_path, monkeypatch, options
):
    monkeypatch.chdir(tmp_path)
    for node in ("node0", "node1"):
        (tmp_path / node).mkdir()
    interrupted(tmp_path / "node0", **options)
    download(tmp_path / "node1", **options)
    assert gets(control) == 1
    assert (tmp_path / "node1/k").read_bytes() == bytes(LAST) + DATA[LAST:]


def test_p05_an_object_that_shrank_leaves_a_tail(interrupted, download, client, stored, tmp_path):
    target = tmp_path / "out"
    interrupted(target)
    client.put_object(stored, "k", content=b"x" * 1000)
    download(target)
    made = target.read_bytes()
    assert made[:1000] == b"x" * 1000
    assert len(made) == LAST


def test_p06_the_whole_object_is_written_in_place_of_a_range(interrupted, download, tmp_path):
    target = tmp_path / "out"
    interrupted(target, verdict="ignore_range")
    download(target)
    made = target.read_bytes()
    assert made[:SIZE] == DATA
    assert len(made) == LAST + SIZE


def test_p07_an_object_without_crc_can_not_be_downloaded(download, control, stored, tmp_path):
    control.fault(stored, "hide_crc", operation="HeadObject")
    with pytest.raises(tos.exceptions.TosClientError, match="Check CRC failed"):
        download(tmp_path / "out")


def test_p08_an_abort_removes_the_users_file(download, tmp_path):
    target = tmp_path / "out"
    target.write_bytes(b"precious")
    hook, listen = hook_that_aborts(DownloadEventType.Download_Event_Download_Part_Succeed)
    with pytest.raises(tos.exceptions.TosClientError, match="the task is canceled"):
        download(target, cancel_hook=hook, download_event_listener=listen)
    assert not target.exists()
    assert Path(f"{target}.temp").exists()


def test_p09_an_abort_without_such_a_file_fails_and_leaves_everything(download, tmp_path):
    hook, listen = hook_that_aborts(DownloadEventType.Download_Event_Download_Part_Succeed)
    with pytest.raises(FileNotFoundError):
        download(tmp_path / "out", cancel_hook=hook, download_event_listener=listen)
    assert len(list(tmp_path.iterdir())) == 2


def test_p10_a_flipped_byte_fails_every_later_run(download, control, stored, tmp_path):
    control.fault(stored, {"flip_byte": {"offset": PART}})
    with pytest.raises(tos.exceptions.TosClientError):
        download(tmp_path / "out")
    control.clear_faults()
    control.forget_requests()
    for _ in range(3):
        with pytest.raises(tos.exceptions.TosClientError):
            download(tmp_path / "out")
    assert gets(control) == 0


def test_p11_a_run_without_crc_fails_every_later_run_with_it(interrupted, download, client, tmp_path):
    without = tos.TosClientV2(
        ACCESS_KEY, SECRET_KEY, ENDPOINT, REGION, max_retry_count=0, enable_crc=False
    )
    interrupted(tmp_path / "out", client=without)
    for _ in range(2):
        with pytest.raises(tos.exceptions.TosClientError):
            download(tmp_path / "out")
    without.close()


def test_p12_a_version_is_never_gone_on_with(interrupted, download, control, client, stored, tmp_path):
    client.put_bucket_versioning(stored, VersioningStatusType.Versioning_Status_Enabled)
    version = client.put_object(stored, "k", content=DATA).version_id
    interrupted(tmp_path / "out", version_id=version)
    download(tmp_path / "out", version_id=version)
    assert gets(control) == PARTS


def test_p13_a_torn_checkpoint_costs_everything(interrupted, download, control, tmp_path):
    interrupted(tmp_path / "out")
    (checkpoint,) = tmp_path.glob("*.download")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    download(tmp_path / "out")
    assert gets(control) == PARTS


def test_p15_the_temporary_file_has_another_objects_name(download, client, stored, tmp_path):
    client.put_object(stored, "k.temp", content=b"another object")
    download(tmp_path, key="k.temp")
    download(tmp_path)
    assert not (tmp_path / "k.temp").exists()


def test_p16_an_absolute_key_leaves_the_directory(download, client, stored, tmp_path):
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
    key = str(tmp_path / "outside" / "evil")
    client.put_object(stored, key, content=b"evil")
    download(tmp_path / "inside", key=key)
    assert (tmp_path / "outside" / "evil").read_bytes() == b"evil"


def test_p17_a_name_of_251_bytes_is_too_long(download, tmp_path):
    with pytest.raises(tos.exceptions.TosClientError) as refused:
        download(tmp_path / ("n" * 251))
    assert "File name too long" in repr(refused.value.cause)


def test_p18_a_checkpoint_file_needs_a_directory_in_its_name(download, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        download(tmp_path / "out", checkpoint_file="my.ckpt")


def test_p19_without_a_checkpoint_one_is_left(interrupted, tmp_path):
    interrupted(tmp_path / "out", enable_checkpoint=False)
    assert len(list(tmp_path.glob("*.download"))) == 1


def test_p21_one_reset_in_a_body_ends_the_download(download, control, stored, proxied, tmp_path):
    patient = tos.TosClientV2(ACCESS_KEY, SECRET_KEY, ENDPOINT, REGION, max_retry_count=3)
    control.fault(stored, {"reset_after": {"bytes": 1000}}, range_from=LAST, times=1)
    with pytest.raises(tos.exceptions.TosClientError):
        download(tmp_path / "out", client=patient)
    patient.close()


def test_p23_a_cancel_waits_for_the_part(download, control, tmp_path):
    hook = tos.checkpoint.CancelHook()

    def cancel_at_once(*_):
        hook.cancel(is_abort=False)

    with pytest.raises(tos.exceptions.TosClientError, match="the task is canceled"):
        download(tmp_path / "out", cancel_hook=hook, data_transfer_listener=cancel_at_once)
    (checkpoint,) = tmp_path.glob("*.download")
    parts = json.loads(checkpoint.read_text())["parts_info"]
    assert parts and all(part["is_completed"] for part in parts)


def test_p24_a_failure_is_not_told_to_a_listener_nor_a_resumed_start(interrupted, download, tmp_path):
    told = []

    def listen(_consumed, _total, _once, kind):
        told.append(kind)

    interrupted(tmp_path / "out", data_transfer_listener=listen)
    assert DataTransferType.Data_Transfer_Failed not in told
    told.clear()
    download(tmp_path / "out", data_transfer_listener=listen)
    assert DataTransferType.Data_Transfer_Started not in told


def test_p25_each_part_writes_the_whole_checkpoint(download, tmp_path, monkeypatch):
    put, written = tos.checkpoint.CheckPointStore.put, []

    def put_and_look(self, *arguments, **named):
        put(self, *arguments, **named)
        (checkpoint,) = tmp_path.glob("*.download")
        written.append(checkpoint.stat().st_size)

    monkeypatch.setattr(tos.checkpoint.CheckPointStore, "put", put_and_look)
    download(tmp_path / "out", part_size=SIZE // 96)
    written = written[-96:]
    assert written == sorted(written)
    assert written[-1] > 10 * written[0]


def test_p26_a_limiter_below_64_kib_never_lets_anything_through(monkeypatch):
    limiter = RateLimiter(rate=1 << 30, capacity=(64 << 10) - 1)
    later = time.time() + 1_000_000
    monkeypatch.setattr(time, "time", lambda: later)
    # What the SDK asks for at a time, for ever.
    assert not limiter.acquire(64 << 10).ok


def test_p27_parts_come_one_after_the_other_unless_told_otherwise():
    assert inspect.signature(tos.TosClientV2.download_file).parameters["task_num"].default == 1
