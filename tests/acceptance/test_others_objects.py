"""Objects that the vendor's own tools made, and files that the vendor's own tools fetch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from content import MIB, sha256_of, write_random
from emulator import ACCESS_KEY, DOMAIN, REGION, SECRET_KEY

SIZE = 43 * MIB + 7


@pytest.fixture
def source(tmp_path):
    write_random(tmp_path / "source", SIZE, seed=43)
    return tmp_path / "source"


@pytest.fixture
def ve_tos_cli(sdk, tmp_path, monkeypatch):
    """The vendor's command line. Its `sdk` is what sets the proxy it is reached by."""
    monkeypatch.setenv("HOME", str(tmp_path / "cli-home"))
    monkeypatch.setenv("TOS_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("TOS_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("TOS_REGION", REGION)

    def run(*arguments):
        command = [Path(sys.executable).with_name("ve-tos-cli"), *arguments, "--endpoint", f"http://{DOMAIN}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["data"]

    return run


def test_an_object_of_the_vendors_command_line(ve_tos_cli, tosget, bucket, source, tmp_path):
    ve_tos_cli("cp", str(source), f"tos://{bucket}/by-cli.bin")
    tosget.get(f"tos://{bucket}/by-cli.bin", tmp_path / "file", "--part-size", "5MiB")
    assert sha256_of(tmp_path / "file") == sha256_of(source)


def test_an_object_of_one_put(sdk, tosget, bucket, source, tmp_path):
    with open(source, "rb") as content:
        sdk.put_object(bucket, "by-put.bin", content=content)
    tosget.get(f"tos://{bucket}/by-put.bin", tmp_path / "file", "--task-num", 4, "--part-size", "5MiB")
    assert sha256_of(tmp_path / "file") == sha256_of(source)


@pytest.mark.parametrize("size", [0, 1, 20 * MIB, 20 * MIB + 1])
def test_the_same_file_as_the_official_sdk_downloads(sdk, tosget, bucket, tmp_path, size):
    write_random(tmp_path / "source", size, seed=size)
    sdk.put_object_from_file(bucket, "k", str(tmp_path / "source"))
    sdk.download_file(bucket, "k", str(tmp_path / "by-sdk"), task_num=3)
    tosget.get(f"tos://{bucket}/k", tmp_path / "by-tosget", "--task-num", 3)
    assert (tmp_path / "by-tosget").read_bytes() == (tmp_path / "by-sdk").read_bytes()
    assert (tmp_path / "by-tosget").stat().st_size == size


def test_stat_shows_what_was_stored(sdk, tosget, bucket):
    put = sdk.put_object(
        bucket, "目录/k", content=b"12345", content_type="text/x-test", meta={"Owner": "team one"}
    )
    done = tosget.run("stat", f"tos://{bucket}/目录/k", "--json")
    assert done.code == 0, done
    shown = done.json()["object"]
    assert shown["content_length"] == 5
    assert shown["etag"].strip('"') == put.etag.strip('"')
    # A string: 64 bits are too many for a number in JSON.
    assert shown["hash_crc64ecma"] == str(put.hash_crc64_ecma)
    assert shown["content_type"] == "text/x-test"
    assert shown["meta"] == {"owner": "team one"}


def test_a_version_is_downloaded_by_its_id(sdk, tosget, bucket, tmp_path):
    from tos.enum import VersioningStatusType

    sdk.put_bucket_versioning(bucket, VersioningStatusType.Versioning_Status_Enabled)
    first = sdk.put_object(bucket, "v", content=b"first").version_id
    sdk.put_object(bucket, "v", content=b"second")
    tosget.get(f"tos://{bucket}/v", tmp_path / "first", "--version-id", first)
    tosget.get(f"tos://{bucket}/v", tmp_path / "current")
    assert (tmp_path / "first").read_bytes() == b"first"
    assert (tmp_path / "current").read_bytes() == b"second"


def test_a_refusal_ends_with_3_and_the_request_id(emulator, tosget, bucket, tmp_path):
    emulator.forget_requests()
    done = tosget.run("get", f"tos://{bucket}/missing", tmp_path / "file")
    assert done.code == 3, done
    assert "NoSuchKey" in done.stderr, done
    assert emulator.requests()[-1]["request_id"] in done.stderr, done
    assert not (tmp_path / "file").exists()
