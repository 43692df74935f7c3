"""The official command line `ve-tos-cli`."""

import json
import subprocess
import uuid

import pytest

MIB = 1 << 20


@pytest.fixture
def cli(ve_tos_cli):
    """Runs the command and returns its `data`; it must succeed."""

    def run(*arguments):
        done = subprocess.run(**ve_tos_cli(*arguments), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["data"]

    return run


@pytest.fixture
def bucket(cli):
    name = f"cli-{uuid.uuid4().hex[:12]}"
    cli("mb", f"tos://{name}")
    return name


@pytest.mark.parametrize("length", [0, 1000, 40 * MIB + 1])
def test_a_file_goes_there_and_back(cli, bucket, tmp_path, length):
    data = (bytes(range(251)) * (length // 251 + 1))[:length]
    (tmp_path / "a.bin").write_bytes(data)
    cli("cp", "a.bin", f"tos://{bucket}/dir/ä +.bin")
    assert cli("stat", f"tos://{bucket}/dir/ä +.bin")["headers"]["content-length"] == str(length)
    cli("cp", f"tos://{bucket}/dir/ä +.bin", "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == data


def test_a_checkpointed_transfer_goes_there_and_back(cli, bucket, tmp_path):
    data = bytes(range(251)) * (45 * MIB // 251)
    (tmp_path / "a.bin").write_bytes(data)
    cli("cp", "a.bin", f"tos://{bucket}/a.bin", "--checkpoint")
    cli("cp", f"tos://{bucket}/a.bin", "b.bin", "--checkpoint")
    assert (tmp_path / "b.bin").read_bytes() == data


def test_listings_group_by_slash(cli, bucket, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    for key in ["one", "dir/two", "dir/three"]:
        cli("cp", "a", f"tos://{bucket}/{key}")
    listed = cli("ls", f"tos://{bucket}/")
    assert listed["common_prefixes"] == ["dir/"]
    assert [entry["key"] for entry in listed["objects"]] == ["one"]
