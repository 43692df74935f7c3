"""A disk that keeps a call for ever, as a hard NFS mount does whose server is gone: whoever waits for the download gets an answer."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from conftest import MIB
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

SIZE = 24 * MIB + 5

# The promise is a second. The rest is for a busy machine; a disk that is waited for never answers.
SOON = 5

# The same library as the command's tests, which says how its rules read.
SOURCE = pathlib.Path(__file__).parents[2] / "tosget-cli/tests/cli/odd_system/preload.c"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the library is for Linux")

WRITE, SYNC, RENAME, LOOK = (
    "write hang @8388608 tosget-part",
    "fsync hang 1- tosget-part",
    "rename hang * file",
    "stat hang * tosget-",
)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    made = tmp_path_factory.mktemp("odd") / "odd_system.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", made, SOURCE], check=True)
    return made


class Script:
    """A script whose disk hangs by a rule."""

    def __init__(self, library, store, path, rule, body):
        self.log = path.with_suffix(".log")
        head = f"""
            import asyncio, os, sys, threading, time
            import tosget as tos
            client = tos.TosClientV2({ACCESS_KEY!r}, {SECRET_KEY!r}, "http://{DOMAIN}", {REGION!r})
            target = ({store.bucket!r}, "k", {str(path)!r})
            def when_told(work):
                threading.Thread(target=lambda: (sys.stdin.readline(), work()), daemon=True).start()
            def ended(how):
                print(how, flush=True)
        """
        script = textwrap.dedent(head) + textwrap.dedent(body)
        environment = {**os.environ, "LD_PRELOAD": str(library), "ODD_SYSTEM": rule, "ODD_SYSTEM_LOG": str(self.log)}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", script]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)

    def wait_until_it_hangs(self):
        end = time.monotonic() + 60
        while not (self.log.exists() and self.log.stat().st_size):
            assert self.process.poll() is None and time.monotonic() < end
            time.sleep(0.01)

    def answers(self):
        """What it says, which is soon; and that it ends."""
        at = time.monotonic()
        said = self.process.stdout.readline().strip()
        assert time.monotonic() - at < SOON
        assert self.process.wait(2 * SOON) == 0
        return said


@pytest.fixture
def start(library, store, tmp_path):
    scripts = []

    def start(rule, body):
        store.put("k", SIZE)
        scripts.append(Script(library, store, tmp_path / "file", rule, body))
        return scripts[-1]

    yield start
    for script in scripts:
        script.process.kill()
        script.process.communicate()


BLOCKING = """
    try:
        client.download_file(*target, part_size=2**21, task_num=4)
    except KeyboardInterrupt:
        ended("interrupted")
"""
HANDLE = BLOCKING.replace("download_file(", "download(").replace("task_num=4)", "task_num=4).wait()")
ASYNC = """
    async def main():
        await client.download_file_async(*target, part_size=2**21, task_num=4)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        ended("interrupted")
"""


@pytest.mark.parametrize("rule", [WRITE, SYNC, RENAME, LOOK], ids=["write", "sync", "rename", "look"])
@pytest.mark.parametrize("body", [BLOCKING, HANDLE, ASYNC], ids=["blocking", "handle", "async"])
def test_ctrl_c_is_answered_while_the_disk_keeps_a_call(start, client, store, tmp_path, rule, body):
    script = start(rule, body)
    script.wait_until_it_hangs()
    script.process.send_signal(signal.SIGINT)
    assert script.answers() == "interrupted"
    # What was kept is of use, and what was left is in nobody's way.
    done = client.download_file(store.bucket, "k", tmp_path / "file", part_size=2 * MIB)
    assert store.holds(tmp_path / "file", SIZE)
    assert done.bytes_resumed > 0 or rule == LOOK


CANCELED = """
    except tos.TosClientError as error:
        ended(f"{error.kind} {error.checkpoint is not None}")
"""
CANCELS = {
    "hook": """
        hook = tos.CancelHook()
        when_told(lambda: hook.cancel(False))
        try:
            client.download_file(*target, part_size=2**21, cancel_hook=hook)
    """,
    "handle": """
        download = client.download(*target, part_size=2**21)
        when_told(download.cancel)
        try:
            download.wait()
    """,
    "handle, abort": """
        download = client.download(*target, part_size=2**21)
        when_told(lambda: download.cancel(is_abort=True))
        try:
            download.wait()
    """,
    "pause": """
        download = client.download(*target, part_size=2**21)
        when_told(lambda: (download.pause(), download.cancel()))
        try:
            download.wait()
    """,
}


@pytest.mark.parametrize("rule", [WRITE, SYNC], ids=["write", "sync"])
@pytest.mark.parametrize("how", CANCELS)
def test_a_cancel_is_answered_while_the_disk_keeps_a_call(start, rule, how):
    script = start(rule, textwrap.dedent(CANCELS[how]) + textwrap.dedent(CANCELED))
    script.wait_until_it_hangs()
    script.process.stdin.write("\n")
    script.process.stdin.flush()
    # A pause that is canceled is a call of its own, which could not begin.
    assert script.answers().startswith("Canceled")


def test_an_event_loop_and_other_threads_go_on_while_the_disk_keeps_a_call(start, store, tmp_path):
    body = """
        ticks = []
        async def tick():
            while True:
                ticks.append(time.monotonic())
                await asyncio.sleep(0.01)
        async def main():
            ticking = asyncio.create_task(tick())
            download = asyncio.create_task(client.download_file_async(*target, part_size=2**21))
            await asyncio.to_thread(sys.stdin.readline)
            download.cancel()
            try:
                await download
            except asyncio.CancelledError:
                ticking.cancel()
        asyncio.run(main())
        ended(str(max(later - earlier for earlier, later in zip(ticks, ticks[1:]))))
    """
    script = start(WRITE, body)
    script.wait_until_it_hangs()
    time.sleep(1)
    script.process.stdin.write("\n")
    script.process.stdin.flush()
    assert float(script.answers()) < 0.9


def test_an_interpreter_ends_though_the_disk_keeps_a_call(start):
    script = start(WRITE, "download = client.download(*target, part_size=2**21); sys.stdin.readline(); ended('at its end')")
    script.wait_until_it_hangs()
    script.process.stdin.write("\n")
    script.process.stdin.flush()
    assert script.answers() == "at its end"
