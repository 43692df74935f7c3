"""Downloads one object with the official Python package and with it accelerated, by the same script, in one run.

    python3 bench/python_download.py [--size MIB] [--rounds N] [--task-num N...] [--no-callbacks] [--dir DIR] [--write]

Needs Rust and Python 3.10 or later, nothing else: the emulator, which is the server, and the package are built as users get them (release),
and a virtual environment below target/ gets the package and the official one. Each download is a process of its own that runs the same
script, once as `python script.py` and once as `python -m tosget script.py`; the time is that of the call alone, with both listeners
given. The two take turns, after a round that is not counted. `--write` puts the figures into bench/results/python.md.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
VENV = TARGET / f"bench-venv-{platform.python_version()}"
RESULT = REPOSITORY / "bench/results/python.md"
sys.path.insert(0, str(REPOSITORY / "tests/acceptance"))
os.environ["TOS_EMULATOR_BIN"] = str(TARGET / "release/tos-emulator")

import emulator as tos_emulator  # noqa: E402
from content import Generated  # noqa: E402

MIB = 1 << 20
SEED = 1
WAYS = ("official", "accelerated")

SCRIPT = """
import resource, sys, time
import tos

ak, sk, endpoint, region, path, part_size, task_num, has_callbacks = sys.argv[1:]
client = tos.TosClientV2(ak, sk, endpoint, region)
calls = []

def transfer(consumed_bytes, total_bytes, rw_once_bytes, type):
    calls.append(type)

def event(type, err, bucket, key, version_id, file_path, checkpoint_file, tmp_file, download_part):
    calls.append(type)

listeners = {"data_transfer_listener": transfer, "download_event_listener": event} if int(has_callbacks) else {}
began = time.perf_counter()
client.download_file("bench", "object", path, part_size=int(part_size), task_num=int(task_num), **listeners)
seconds = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_SELF)
print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, len(calls))
"""


def main():
    options = arguments()
    python = environment()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        script = pathlib.Path(directory, "script.py")
        script.write_text(SCRIPT)
        with tos_emulator.running(pathlib.Path(directory, "objects")) as emulator:
            emulator.control("POST", "buckets", {"bucket": "bench"})
            emulator.make_object("bench", "object", options.size * MIB, SEED)
            figures = measure(python, emulator, script, pathlib.Path(directory, "file"), options)
    text = report(figures, options, load)
    print(text)
    if options.write:
        RESULT.write_text(text)


def arguments():
    parser = argparse.ArgumentParser(description="official and accelerated download_file, same script")
    parser.add_argument("--size", type=int, default=512, help="MiB (default: 512)")
    parser.add_argument("--part-size", type=int, default=20, help="MiB (default: 20, the package's own)")
    parser.add_argument("--rounds", type=int, default=5, help="that count (default: 5)")
    parser.add_argument("--task-num", type=int, nargs="+", default=[1, 4], help="(default: 1 4)")
    parser.add_argument("--no-callbacks", action="store_true", help="without listeners of progress and events")
    parser.add_argument("--dir", default="/dev/shm", help="takes the file (default: /dev/shm)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.relative_to(REPOSITORY)}")
    return parser.parse_args()


def environment():
    """An interpreter that has the official package and this one, built now."""
    run("cargo", "build", "--release", "--locked", "--bins", "--package", "tos-emulator")
    venv, wheels = VENV, TARGET / "bench-wheels"
    python = venv / "bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", venv)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    pins = ["--constraint", "tests/constraints.txt", "--requirement", "crates/tosget-py/tests/requirements.txt"]
    run(*pip, *pins)
    # A wheel of another version would be installed as well.
    shutil.rmtree(wheels, ignore_errors=True)
    build = ["--release", "--locked", "--manifest-path", "crates/tosget-py/Cargo.toml", "--out", wheels, "--interpreter", python]
    run(python, "-m", "maturin", "build", "--quiet", *build)
    run(*pip, "--no-index", "--no-deps", "--force-reinstall", "--find-links", wheels, "tosget")
    return python


def run(*command):
    command = [str(word) for word in command]
    print("+", *command, file=sys.stderr, flush=True)
    subprocess.run(command, cwd=REPOSITORY, check=True)


def measure(python, emulator, script, path, options):
    """What the script told in each round, by number of tasks and way."""
    environment = {**os.environ, "http_proxy": emulator.url, "no_proxy": ""}
    generated = Generated(SEED)
    figures = {}
    for task_num in options.task_num:
        # The first is not counted: caches are cold.
        for number in range(options.rounds + 1):
            for way in WAYS:
                module = ["-m", "tosget"] if way == "accelerated" else []
                command = [str(python), *module, str(script)]
                command += [tos_emulator.ACCESS_KEY, tos_emulator.SECRET_KEY, f"http://{tos_emulator.DOMAIN}"]
                command += [tos_emulator.REGION, str(path), str(options.part_size * MIB), str(task_num)]
                command.append(str(int(not options.no_callbacks)))
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                assert generated.is_in(path, options.size * MIB), f"{way}: the file is not the object"
                path.unlink()
                if number > 0:
                    figures.setdefault((task_num, way), []).append([float(word) for word in done.stdout.split()])
    return figures


def report(figures, options, load):
    listening = "without listeners" if options.no_callbacks else "`data_transfer_listener` and `download_event_listener` given"
    lines = [
        "# Official and accelerated `download_file` in Python",
        "",
        f"Made by `{' '.join(['python3 bench/python_download.py', *sys.argv[1:]])}`.",
        "",
        "| task_num | | wall median | min | max | spread | CPU median | peak MiB | calls | times as fast |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (task_num, way), rounds in figures.items():
        seconds, work, memory, calls = (list(column) for column in zip(*rounds))
        median = statistics.median(seconds)
        spread = (max(seconds) - min(seconds)) / median
        official = statistics.median(row[0] for row in figures[task_num, "official"])
        lines.append(
            f"| {task_num} | {way} | {median:.2f} | {min(seconds):.2f} | {max(seconds):.2f} | {spread:.0%} | "
            f"{statistics.median(work):.2f} | {statistics.median(memory):.0f} | {statistics.median(calls):.0f} | "
            f"{official / median:.2f} |"
        )
    lines += [
        "",
        "Wall time of the call and CPU time of the process (user and system) in seconds; peak is the process's resident memory at its "
        "highest; calls are those of the listeners; the spread is (max - min) / median.",
        "",
        f"- date: {datetime.date.today()}",
        f"- commit: {said('git', 'rev-parse', '--short', 'HEAD')}",
        f"- processor: {processor()}, {os.cpu_count()} cores",
        f"- load before: {load:.2f}",
        f"- Python: CPython {platform.python_version()}",
        f"- official: tos {version_of('tos')}, started as `python script.py`",
        f"- accelerated: the same with tosget {version_of('tosget')}, started as `python -m tosget script.py`",
        f"- object: {options.size} MiB in parts of {options.part_size} MiB, from the emulator on the same machine, to {options.dir}",
        f"- listeners: {listening}",
        f"- rounds: {options.rounds} by turns, after one that is not counted",
        "- check: length and content of every copy, outside the measured time",
    ]
    return "\n".join(lines) + "\n"


def version_of(package):
    script = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return said(VENV / "bin/python", "-c", script)


def said(*command):
    return subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


if __name__ == "__main__":
    main()
