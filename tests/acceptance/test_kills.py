"""A download that is killed again and again ends with the object, and fetches next to nothing twice."""

from command import kill, poll
from content import MIB, sha256_of

RATE = 120_000_000
PART_SIZES = ["1MiB", "5MiB", "7340033", "20MiB", "64MiB", "300MiB"]
TASK_NUMS = [1, 2, 3, 4, 8, 16]

# What a kill may cost: what was on its way, and what was written but not recorded yet.
LOSS_PER_KILL = 4 * MIB


class Killed:
    """A download to `destination`, killed as often as is asked for."""

    def __init__(self, emulator, tosget, chance, url, destination):
        self.emulator = emulator
        self.tosget = tosget
        self.chance = chance
        self.arguments = [url, destination]

    def until_sent(self, count, each_time):
        """Starts it, and kills it when the emulator has sent it so many bytes."""
        goal = self.emulator.bytes_sent() + count
        process = self.tosget.start("get", *self.arguments, *self.other_options())

        def is_sent():
            each_time()
            assert process.poll() is None, f"it ended before its kill: {process.communicate()}"
            return self.emulator.bytes_sent() >= goal

        try:
            poll(is_sent, f"{count} bytes sent")
        finally:
            kill(process)
        each_time()

    def to_the_end(self):
        return self.tosget.get(*self.arguments, *self.other_options())

    def other_options(self):
        part_size, task_num = self.chance.choice(PART_SIZES), self.chance.choice(TASK_NUMS)
        return ["--part-size", part_size, "--task-num", task_num]


def gaps(chance, count, total):
    """`count` random lengths that are `total` together."""
    cuts = sorted(chance.randrange(total) for _ in range(count - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total])]


def kill_and_finish(killed, kills, size, each_time):
    """Spreads the kills over nine tenths of the download and lets it end; returns how much was sent in all."""
    killed.emulator.forget_requests()
    with killed.emulator.bandwidth(RATE):
        for gap in gaps(killed.chance, kills, size * 9 // 10):
            killed.until_sent(gap, each_time)
        killed.to_the_end()
    return killed.emulator.bytes_sent()


def test_twenty_kills_cost_little_and_the_file_is_the_object(emulator, tosget, chance, large, tmp_path, say):
    directory = tmp_path / "downloads"
    directory.mkdir()
    destination = directory / "large.bin"
    killed = Killed(emulator, tosget, chance, large.url, destination)

    def never_there():
        assert not destination.exists()

    kills = 20
    sent = kill_and_finish(killed, kills, large.size, never_there)

    assert sha256_of(destination) == large.sha256
    assert [path.name for path in directory.iterdir()] == ["large.bin"]
    excess = sent - large.size
    say(f"{kills} kills: {sent} bytes sent for {large.size}, {excess / kills / MIB:.2f} MiB more per kill")
    destination.unlink()
    assert sent <= large.size * 102 // 100 + kills * LOSS_PER_KILL


def test_an_old_file_stays_as_it_is_until_the_new_one_is_whole(emulator, tosget, chance, bucket, tmp_path):
    size = 200 * MIB + 1
    emulator.make_object(bucket, "new", size, seed=3)
    destination = tmp_path / "file"
    destination.write_bytes(b"old")
    inode = destination.stat().st_ino
    killed = Killed(emulator, tosget, chance, f"tos://{bucket}/new", destination)

    def still_old():
        assert destination.read_bytes() == b"old"
        assert destination.stat().st_ino == inode

    kill_and_finish(killed, 5, size, still_old)
    assert destination.stat().st_size == size
