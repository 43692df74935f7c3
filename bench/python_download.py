"""Downloads one object with the official package and with it accelerated, by the same call, and writes the figures.

    target/venv/bin/python bench/python_download.py [--size MIB] [--rounds N] [--task-num N] [--dir DIR]

Each download is a process of its own that runs the same script, once as `python script.py` and once as
`python -m tosget script.py`; the time is that of the call alone. Rounds alternate. The server is the emulator, whose content is
computed as it is sent. `cargo xtask test python` makes the environment; for figures that mean anything the package has to be a
release build: `target/venv/bin/python -m pip install ./crates/tosget-py`.
"""

import argparse
import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests/acceptance"))
os.environ.setdefault("TOS_EMULATOR_BIN", str(REPOSITORY / "target/release/tos-emulator"))

import emulator as tos_emulator  # noqa: E402

MIB = 1 << 20

SCRIPT = """
import resource, sys, time
import tos
ak, sk, endpoint, region, path, part_size, task_num = sys.argv[1:]
client = tos.TosClientV2(ak, sk, endpoint, region)
began = time.perf_counter()
client.download_file("bench", "object", path, part_size=int(part_size), task_num=int(task_num))
print(time.perf_counter() - began)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        script = pathlib.Path(directory, "script.py")
        script.write_text(SCRIPT)
        with tos_emulator.running(pathlib.Path(directory, "objects")) as emulator:
            emulator.control("POST", "buckets", {"bucket": "bench"})
            emulator.make_object("bench", "object", options.size * MIB, 1)
            figures = measure(emulator, script, pathlib.Path(directory, "file"), options)
    report(figures, options)


def arguments():
    parser = argparse.ArgumentParser(description="official and accelerated download_file, same script")
    parser.add_argument("--size", type=int, default=512, help="MiB")
    parser.add_argument("--part-size", type=int, default=20, help="MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--task-num", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--dir", default="/dev/shm", help="takes the file")
    return parser.parse_args()


def measure(emulator, script, path, options):
    """Seconds, processor seconds and MiB of memory of each round, by number of tasks and way."""
    environment = {**os.environ, "http_proxy": emulator.url, "no_proxy": ""}
    figures = {}
    for task_num in options.task_num:
        for _ in range(options.rounds):
            for way in ("official", "accelerated"):
                module = ["-m", "tosget"] if way == "accelerated" else []
                command = [sys.executable, *module, str(script)]
                command += [tos_emulator.ACCESS_KEY, tos_emulator.SECRET_KEY, f"http://{tos_emulator.DOMAIN}"]
                command += [tos_emulator.REGION, str(path), str(options.part_size * MIB), str(task_num)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                assert path.stat().st_size == options.size * MIB
                path.unlink()
                figures.setdefault((task_num, way), []).append([float(word) for word in done.stdout.split()])
    return figures


def report(figures, options):
    lines = [
        "# Official and accelerated `download_file`",
        "",
        f"`{' '.join(['python bench/python_download.py', *sys.argv[1:]])}`",
        "",
        f"{datetime.date.today()}; {os.cpu_count()} processors ({processor()}), load "
        f"{os.getloadavg()[0]:.1f} at the end; CPython {platform.python_version()}; an object of {options.size} MiB in parts of "
        f"{options.part_size} MiB from the emulator on the same machine, to {options.dir}; medians of {options.rounds} rounds, "
        "official and accelerated in turn.",
        "",
        "| task_num | way | s (least to most) | MiB/s | processor s | MiB of memory |",
        "|---|---|---|---|---|---|",
    ]
    for (task_num, way), rounds in figures.items():
        seconds, work, memory = (list(column) for column in zip(*rounds))
        median = statistics.median(seconds)
        lines.append(
            f"| {task_num} | {way} | {median:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {options.size / median:.0f} | "
            f"{statistics.median(work):.2f} | {statistics.median(memory):.0f} |"
        )
    text = "\n".join(lines) + "\n"
    (REPOSITORY / "bench/results/python-download.md").write_text(text)
    print(text)


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main()
