"""A server that goes away in the middle, and comes back."""

import emulator as tos_emulator
from command import Result, poll
from conftest import make_tosget, sdk_for
from content import MIB, sha256_of, write_random

SIZE = 160 * MIB


def test_a_download_goes_on_when_the_server_is_back(tmp_path, say):
    root = tmp_path / "objects"
    checkpoint = tmp_path / "checkpoints" / "one"
    destination = tmp_path / "file"

    with tos_emulator.running(root) as server:
        port = server.port
        with sdk_for(server) as sdk:
            sha256 = write_random(tmp_path / "source", SIZE, seed=9)
            sdk.create_bucket("outage-bucket")
            sdk.upload_file("outage-bucket", "k", str(tmp_path / "source"), part_size=20 * MIB)
        tosget = make_tosget(server, tmp_path)
        command = ["tos://outage-bucket/k", destination, "--part-size", "8MiB", "--task-num", "4"]
        command += ["--checkpoint-file", checkpoint]
        with server.bandwidth(60_000_000):
            process = tosget.start("get", *command, "--max-retries", "2")
            poll(lambda: server.bytes_sent() >= SIZE // 2, "half of the object sent")
            server.kill()

    # Whatever was sent may be there; what is there was sent.
    failed = Result(process.wait(timeout=120), *process.communicate())
    assert failed.code == 1, failed
    assert f"127.0.0.1:{port}" in failed.stderr, failed
    assert str(checkpoint) in failed.stderr, failed
    assert not destination.exists()

    with tos_emulator.running(root, port) as server:
        tosget.get(*command)
        sent = server.bytes_sent()
    assert sha256_of(destination) == sha256
    say(f"{sent / MIB:.1f} MiB of {SIZE / MIB:.0f} sent after the outage")
    assert sent <= SIZE // 2 + 16 * MIB
