"""Keys that are no good file names: each is downloaded to the file that was named, and none leaves its directory."""

import pytest
from content import Generated

KEYS = [
    "plain.bin",
    "a//b",
    "x/./y",
    "x/../y",
    "../up",
    "..",
    ".",
    "/lead",
    "//two",
    "中文/ключ/🦀.bin",
    "+ % ? # & =",
    "100%25",
    "a%2Fb",
    "?versionId=x",
    "a#b",
    " space at both ends ",
    "tab\tand 'quotes\" \\ * : | < >",
    "--help",
]

SIZE = 3_000_000


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_downloaded_to_the_file_that_was_named(emulator, tosget, bucket, tmp_path, key):
    # A neighbour for whoever tidies the path, or decodes it once too often.
    for decoy in {"y", "up", "x/y", "a/b", "100%", "lead", "two", "a", "b"} - {key}:
        emulator.make_object(bucket, decoy, 1, seed=1)
    seed = 1000 + KEYS.index(key)
    emulator.make_object(bucket, key, SIZE, seed)

    tosget.get(f"tos://{bucket}/{key}", tmp_path / "file", "--part-size", 1_000_000)

    assert (tmp_path / "file").read_bytes() == Generated(seed).first(SIZE)


@pytest.mark.parametrize("key", ["../up", "a/../../up", "/lead", "..", "a/.."])
@pytest.mark.parametrize("form", ["{}", "{}/"])
def test_a_key_that_leaves_the_directory_is_refused(emulator, tosget, bucket, tmp_path, key, form):
    emulator.make_object(bucket, key, 1000, seed=5)
    directory = tmp_path / "deep" / "er"
    directory.mkdir(parents=True)
    before = everything_in(tmp_path)

    done = tosget.run("get", f"tos://{bucket}/{key}", form.format(directory))

    assert done.code == 2, done
    assert everything_in(tmp_path) == before
    assert key in done.stderr or "outside" in done.stderr, done


@pytest.mark.parametrize(
    "key, name", [("a/b/c.bin", "a/b/c.bin"), ("中文 +%?.bin", "中文 +%?.bin"), ("-x", "-x")]
)
def test_a_key_names_the_file_below_a_directory(emulator, tosget, bucket, tmp_path, key, name):
    emulator.make_object(bucket, key, 1000, seed=6)
    directory = tmp_path / "down"
    directory.mkdir()
    tosget.get(f"tos://{bucket}/{key}", directory)
    assert everything_in(directory) == {name}
    assert (directory / name).read_bytes() == Generated(6).first(1000)


def everything_in(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
