"""What `ve-tos-cli` does wrong in downloads, so that docs/compared.md stays true of it.

A test that fails here is good news: that version no longer makes the mistake, and the table has to say so.
"""

import subprocess

import pytest

MIB = 1 << 20
SIZE = 21 * MIB


@pytest.fixture
def command(ve_tos_cli, bucket):
    """Downloads `k` to `b.bin`."""

    def command(*options):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return {**ve_tos_cli("cp", f"tos://{bucket}/k", "b.bin", *options), **quiet}

    return command


@pytest.fixture
def copy(command):
    """Does so, and tells the exit code."""
    return lambda *options: subprocess.run(**command(*options), timeout=60).returncode


def ranges(control):
    return [request["range"] for request in control.requests() if request["method"] == "GET"]


def test_cli1_a_reset_costs_all_that_had_come(copy, control, bucket):
    control.put_generated(bucket, "k", SIZE)
    control.fault(bucket, {"reset_after": {"bytes": 20 * MIB}}, times=1)
    assert copy() == 0
    assert ranges(control) == [None, None]


def test_cli4_a_limit_of_bandwidth_limits_nothing(copy, control, bucket):
    control.put_generated(bucket, "k", SIZE)
    # At this rate it would take hours; the command is given a minute.
    assert copy("--bandwidth-limit", "1KB") == 0
