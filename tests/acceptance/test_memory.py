"""Memory does not grow with the object, the parts or their number."""

import pytest
from content import GIB, MIB, Generated

LIMIT = 96 * MIB


@pytest.mark.parametrize(
    "options",
    [["--task-num", "16"], ["--task-num", "2", "--part-size", "2GiB"]],
    ids=["16 tasks", "parts of 2 GiB"],
)
def test_four_gib_take_less_than_96_mib_of_memory(emulator, tosget, bucket, tmp_path, say, options):
    emulator.make_object(bucket, "huge", 4 * GIB, seed=4)
    destination = tmp_path / "huge"
    try:
        _, peak = tosget.get_measured(f"tos://{bucket}/huge", destination, *options)
        say(f"{' '.join(options)}: at most {peak / MIB:.1f} MiB of memory")
        assert Generated(4).is_in(destination, 4 * GIB)
    finally:
        destination.unlink(missing_ok=True)
    assert peak <= LIMIT
